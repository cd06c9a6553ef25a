# SPDX-License-Identifier: Apache-2.0
"""Files on the host: whole content and mode, original kept in the ledger byte for byte."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import DIRECTORY as STATE
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

FOLDER_MODE = 0o755


@dataclass(frozen=True)
class WantedFile:
    """``content`` None: there shall be no such file."""

    path: str
    content: str | None
    mode: int = 0o644


def set_files(host: Host, wanted: list[WantedFile], outcome: Outcome, check: bool) -> None:
    """Make each file what is wanted; originals and made directories go to the ledger first.

    Files below nfvcap's own state directory need no entry: they go with the ledger itself.

    Raises:
        Failure: NFV-LEDGER-005 when a file cannot be written or reads back differently.
    """
    different = [file for file in wanted if differs(host, file)]
    for file in different:
        outcome.add(f"file:{file.path}", *shown(host, file))
    if check or not different:
        return
    ledger = Ledger(host)
    outcome.begun = True
    for file in different:
        if not file.path.startswith(f"{STATE}/"):
            record_file(host, ledger, file.path)
        put_file(host, file)


def record_file(host: Host, ledger: Ledger, path: str) -> None:
    """Note a file's original, and the directories that have to be made for it."""
    folders = [(f"folder:{folder}", "folder", None) for folder in host.missing_folders(path)]
    ledger.record_all([*folders, (f"file:{path}", "file", original(host, path))])


def original(host: Host, path: str) -> dict[str, Any] | None:
    """A file as JSON: content (text, or base64 when it is no UTF-8), mode and owner; None when there is none."""
    found = host.status(path)
    if found is None:
        return None
    owner = {"uid": found.st_uid, "gid": found.st_gid}
    if stat.S_ISLNK(found.st_mode):
        return {"symlink": host.readlink(path), **owner}
    data = host.read_bytes(path) if stat.S_ISREG(found.st_mode) else None
    if data is None:
        raise Failure(
            "NFV-LEDGER-006",
            f"{path} is in the way",
            "it is not a regular file that can be read, so it could not be restored later",
            f"move {path} away, then run again",
        )
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    try:
        return {"content": data.decode("utf-8"), "mode": mode, **owner}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode(), "mode": mode, **owner}


def restore_file(host: Host, path: str, before: dict[str, Any] | None) -> None:
    """Bring the recorded original back; raises ``OSError``."""
    if before is None:
        host.remove(path)
        return
    for folder in host.missing_folders(path):
        host.make_folder(folder, FOLDER_MODE)
    if "symlink" in before:
        host.remove(path)
        host.symlink(before["symlink"], path)
    else:
        data = before["content"].encode() if "content" in before else base64.b64decode(before["base64"])
        host.replace(path, data, int(before["mode"], 8))
    host.own(path, before["uid"], before["gid"])


def differs(host: Host, file: WantedFile) -> bool:
    """Whether content or mode of a file is another."""
    found = host.status(file.path)
    if found is None or file.content is None:
        return not (found is None and file.content is None)
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != file.mode:
        return True
    return host.read_bytes(file.path) != file.content.encode()


def shown(host: Host, file: WantedFile) -> tuple[str | None, str | None]:
    """Before and after of a file that differs, for people."""
    found = host.status(file.path)
    if found is None:
        return None, file.content
    if not stat.S_ISREG(found.st_mode):
        return f"-> {host.readlink(file.path)}", file.content
    before = host.read(file.path)
    if before == file.content:
        return f"mode {stat.S_IMODE(found.st_mode):04o}", f"mode {file.mode:04o}"
    return before, file.content


def put_file(host: Host, file: WantedFile) -> None:
    """Write or remove one file and read it back; its original has been recorded.

    Raises:
        Failure: NFV-LEDGER-005.
    """
    try:
        if file.content is None:
            host.remove(file.path)
        else:
            for folder in host.missing_folders(file.path):
                host.make_folder(folder, 0o700 if folder == STATE else FOLDER_MODE)
            host.replace(file.path, file.content.encode(), file.mode)
            # Whoever runs this (root, on a host) owns what nfvcap makes, also where a directory hands down its group.
            host.own(file.path, os.geteuid(), os.getegid())
    except OSError as error:
        raise Failure(
            "NFV-LEDGER-005", f"cannot write {file.path}", str(error), "free the path, then run again"
        ) from error
    if differs(host, file):
        raise Failure(
            "NFV-LEDGER-005",
            f"{file.path} is not what was written",
            "it reads back differently",
            "find out what else writes this file, then run again",
        )
