# SPDX-License-Identifier: Apache-2.0
"""Looks at the machine that nfvcap runs on: what it needs to reach hosts, and what the lab needs."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import TYPE_CHECKING

from nfvcap.doctor import finding
from nfvcap.errors import NfvcapError
from nfvcap.model.result import Check, Verdict
from nfvcap.model.units import format_size
from nfvcap.paths import cache_dir, data_dir, state_dir
from nfvcap.run import run

if TYPE_CHECKING:
    from nfvcap.lab.image import Image
    from nfvcap.lab.room import Room

PASS, WARN, FAIL, SKIP = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.SKIP
_ANSIBLE = ((2, 17), (2, 21))
_SHIPPED = ("ansible.cfg", "playbooks/facts.yml", "plugins/modules", "roles", "templates")


def examine() -> tuple[Check, ...]:
    """All findings about this machine, in reading order."""
    return tuple(check for look in CHECKS for check in look())


def _python() -> Iterable[Check]:
    yield finding(
        "NFV-DOC-001", PASS if sys.version_info >= (3, 11) else FAIL, platform.python_version(), "3.11 or later"
    )


def _ansible() -> Iterable[Check]:
    low, high = (".".join(map(str, version)) for version in _ANSIBLE)
    wanted = f"at least {low}, below {high}"
    try:
        version = metadata.version("ansible-core")
    except metadata.PackageNotFoundError:
        yield finding("NFV-DOC-002", FAIL, "not installed", wanted)
        return
    fits = _ANSIBLE[0] <= tuple(map(int, version.split(".")[:2])) < _ANSIBLE[1]
    yield finding("NFV-DOC-002", PASS if fits else WARN, version, wanted)


def _ssh() -> Iterable[Check]:
    if shutil.which("ssh") is None:
        yield finding("NFV-DOC-003", FAIL, "not found", "ssh in PATH")
        return
    said = run(["ssh", "-V"], timeout_s=10, check=False)
    yield finding("NFV-DOC-003", PASS, (said.stderr or said.stdout).strip().split(",")[0], "ssh in PATH")


def _shipped() -> Iterable[Check]:
    missing = [name for name in _SHIPPED if not (data_dir() / name).exists()]
    found = f"{data_dir()} lacks {', '.join(missing)}" if missing else str(data_dir())
    yield finding("NFV-DOC-004", FAIL if missing else PASS, found, ", ".join(_SHIPPED))


def _state() -> Iterable[Check]:
    try:
        state_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state_dir()):
            pass
        yield finding("NFV-DOC-005", PASS, str(state_dir()), "writable")
    except OSError as error:
        yield finding("NFV-DOC-005", FAIL, f"{state_dir()}: {error.strerror}", "writable")


def _lab() -> Iterable[Check]:
    from nfvcap.lab import image, room, tree

    built = image.find()
    yield _room("NFV-DOC-006", room.disk(cache_dir(), built is not None))
    yield _room("NFV-DOC-009", room.memory(), _of_running_labs_bytes())
    cores = room.cores()
    yield finding("NFV-DOC-010", PASS if cores >= room.CORES else WARN, str(cores), str(room.CORES))
    if built is not None:
        yield finding("NFV-DOC-007", PASS, str(built.directory), "built")
    else:
        try:
            tree.require_tools()
            yield finding("NFV-DOC-007", SKIP, "not built yet, and the tools for it are here", "built")
        except NfvcapError as error:
            yield finding("NFV-DOC-007", WARN, error.what, "built, or the tools for it", fix=error.fix)
    yield _acceleration(built)


def _room(check_id: str, room: Room, lent_bytes: int = 0) -> Check:
    found = f"{format_size(room.found_bytes)} free" + (
        f", {format_size(lent_bytes)} in labs that run" * bool(lent_bytes)
    )
    wanted = f"{format_size(room.wanted_bytes)}, at least {format_size(room.least_bytes)}"
    if room.wanted_bytes == room.least_bytes:
        wanted = format_size(room.wanted_bytes)
    enough = room.found_bytes + lent_bytes >= room.wanted_bytes
    return finding(check_id, PASS if enough else WARN, found, wanted, fix=f"{room.remedy}; only the lab needs it")


def _of_running_labs_bytes() -> int:
    """Memory that the lab servers have now: who asks while they run need not stop them to hear that it is enough."""
    from nfvcap.lab import lab, process
    from nfvcap.lab.topology import Paths

    pids = [process.find(name, Paths(lab.labs_dir() / name)) for name in lab.names()]
    return sum(process.resident_bytes(pid) for pid in pids if pid is not None)


def _acceleration(built: Image | None) -> Check:
    """The file /dev/kvm proves nothing: only a machine that ran does."""
    from nfvcap.lab import qemu

    if built is None:
        return finding("NFV-DOC-008", SKIP, "not tried: the QEMU to try it with comes with the image", "KVM")
    try:
        found = qemu.accelerate(qemu.choose(built.toolbox))
    except NfvcapError as error:
        return finding("NFV-DOC-008", WARN, error.what, "KVM", fix=error.fix)
    return finding("NFV-DOC-008", PASS if found.name == "kvm" else WARN, f"{found.name}: {found.why}", "KVM")


CHECKS: tuple[Callable[[], Iterable[Check]], ...] = (_python, _ansible, _ssh, _shipped, _state, _lab)
