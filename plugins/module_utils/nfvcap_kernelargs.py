# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments of the next boot: put where the boot loader takes them from, and read back from what it will use.

Tokens are compared in one place (:mod:`nfvcap_cmdline`). What the running kernel has is only looked at to say whether a
reboot is due; whether one happens is not decided here.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .nfvcap_bootfiles import Loader, loader_of
from .nfvcap_bootloader import read_cmdline
from .nfvcap_cmdline import merge, missing, settings, split
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hostfile import original, restore_file
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

ENTRY = "kernel-args"
# update-grub looks at every partition for other systems (os-prober).
LOADER_TIMEOUT_S = 600.0
# One of these anywhere on the line undoes the wanted argument, wherever it stands.
_DEFEATS = {"intel_iommu=on": ("intel_iommu=off", "iommu=off"), "amd_iommu=on": ("amd_iommu=off", "iommu=off"),
            "iommu=pt": ("iommu=off", "iommu=nopt")}  # fmt: skip


def set_kernel_args(host: Host, wanted: list[str], drop_in: str | None, outcome: Outcome, check: bool) -> None:
    """Make the next boot pass ``wanted`` (tokens) and none of ours that are wanted no more.

    Args:
        drop_in: text of nfvcap's own file for loaders that read one (Debian, Ubuntu); None when no token is wanted.

    Raises:
        Failure: NFV-BOOT-001 unknown loader, -002 a loader's command failed, -003 contradicted by the user's own
            arguments, -004 the loader does not pass a token although it was told to.
    """
    ledger = Ledger(host)
    now = read_cmdline(host)
    stale = _stale(ledger, wanted)
    outcome.extra.update(configured=now["configured"], reboot_required=_reboot_due(now["running"], wanted, stale))
    loader = _loader(host, now["boot_loader"], wanted)
    if loader is None:
        return
    texts = {path: text for path, text in loader.texts(wanted, stale, drop_in).items() if host.read(path) != text}
    lacking = missing(now["configured"] or "", wanted)
    if not texts and not lacking and not _present(now["configured"], stale):
        return
    _refuse_contradictions(loader, now["configured"] or "", wanted, _added(ledger))
    after = merge(now["configured"] or "", wanted, stale)
    outcome.add(ENTRY, now["configured"], after)
    outcome.extra.update(configured=after, reboot_required=_reboot_due(now["running"], wanted, stale))
    if check:
        return
    _record(host, ledger, now, texts, wanted)
    outcome.begun = True
    for path, text in texts.items():
        _put(host, path, text)
    _run(host, loader)
    configured = read_cmdline(host)["configured"] or ""
    lacking = missing(configured, wanted)
    if lacking:
        raise Failure(
            "NFV-BOOT-004",
            f"the boot loader will not pass {' '.join(lacking)}",
            f"it was configured, but the default entry now says: {configured}",
            "see what else sets kernel arguments (/etc/default/grub, /etc/default/grub.d), and which entry is default",
        )
    outcome.extra["configured"] = configured


def restore_kernel_args(host: Host, ledger: Ledger) -> bool:
    """Take our tokens out again; tells whether the running kernel still has them. The ledger entry is left in place.

    Files that are as we left them become what they were byte for byte; in files that somebody has changed since, only
    our tokens are taken out. Kernels that were installed since lose them as well.

    Raises:
        Failure: NFV-BOOT-001, -002, -005.
    """
    entry = ledger.entry(ENTRY)
    if entry is None:
        return False
    now, ours = read_cmdline(host), _stale(ledger, [])
    loader = _loader(host, now["boot_loader"], ours)
    if loader is None:
        return False
    touched = False
    for path, text in loader.texts([], ours, None).items():
        touched |= _restore_text(host, path, text, entry)
    if touched or _present(now["configured"], ours):
        _run(host, loader)
    left = read_cmdline(host)["configured"]
    if _present(left, ours):
        raise Failure(
            "NFV-BOOT-005",
            "the boot loader still passes kernel arguments of nfvcap",
            f"the default entry says: {left}",
            "see what else sets kernel arguments (/etc/default/grub, /etc/default/grub.d)",
        )
    return _present(now["running"], ours)


def _loader(host: Host, kind: str, wanted: list[str]) -> Loader | None:
    loader = loader_of(host, kind)
    if loader is None and wanted:
        raise Failure(
            "NFV-BOOT-001",
            "the boot loader of this host is unknown, so no kernel argument can be set",
            "; ".join(host.problems[-2:]) or "neither GRUB nor loader entries were found",
            f"add these to the kernel command line by hand: {' '.join(wanted)}; then run again",
        )
    return loader


def _added(ledger: Ledger) -> list[str]:
    """Tokens of all settings that were ever wanted; a pair of huge page tokens is one string in the ledger."""
    entry = ledger.entry(ENTRY)
    return [token for setting in entry.get("added", []) for token in split(setting)] if entry else []


def _stale(ledger: Ledger, wanted: list[str]) -> list[str]:
    """Tokens that came by us and are wanted no more; what the user had before us is not ours to remove."""
    entry = ledger.entry(ENTRY)
    if entry is None:
        return []
    came_by_us = settings(missing(entry["before"]["configured"] or "", _added(ledger)))
    return [token for one in came_by_us if one not in settings(wanted) for token in one.tokens]


def _present(line: str | None, tokens: list[str]) -> bool:
    """Whether any of the settings that ``tokens`` make is on the line."""
    return bool(set(settings(line or "")) & set(settings(tokens)))


def _reboot_due(running: str, wanted: list[str], stale: list[str]) -> bool:
    return bool(missing(running, wanted)) or _present(running, stale)


def _refuse_contradictions(loader: Loader, configured: str, wanted: list[str], ours: list[str]) -> None:
    """The user's own arguments that would win over ours are the user's to change."""
    users = [one for one in settings(configured) if one not in settings(ours)]
    tokens = {token for one in users for token in one.tokens}
    against = {token for word in wanted for token in _DEFEATS.get(word, ()) if token in tokens}
    keys = {one.key: one for one in settings(wanted)}
    for one in settings(loader.tokens_after_ours()):
        same = keys.get(one.key)
        if same is not None and same != one and missing(" ".join([*wanted, *one.tokens]), same.tokens):
            against.add(" ".join(one.tokens))
    if against:
        raise Failure(
            "NFV-BOOT-003",
            f"the kernel command line of this host says {', '.join(sorted(against))}",
            f"that wins over what is wanted: {' '.join(wanted)}",
            "take it out (GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub), or out of `kernel_args` in the inventory",
        )


def _record(host: Host, ledger: Ledger, now: dict[str, Any], texts: dict[str, str | None], wanted: list[str]) -> None:
    """Originals of files seen for the first time, digests of what we leave, and all tokens that were ever ours."""
    folders = [(f"folder:{name}", "folder", None) for path in texts for name in host.missing_folders(path)]
    ledger.record_all([*folders, (ENTRY, ENTRY, {"configured": now["configured"], "files": {}})])
    entry = ledger.entry(ENTRY) or {}
    files = {**{path: original(host, path) for path in texts}, **entry["before"]["files"]}
    ledger.note(ENTRY, "before", {**entry["before"], "files": files})
    ledger.note(ENTRY, "left", {**entry.get("left", {}), **{path: _digest(text) for path, text in texts.items()}})
    added = [" ".join(one.tokens) for one in [*settings(_added(ledger)), *settings(wanted)]]
    ledger.note(ENTRY, "added", list(dict.fromkeys(added)))


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _put(host: Host, path: str, text: str | None) -> None:
    try:
        if text is None:
            host.remove(path)
            return
        for folder in host.missing_folders(path):
            host.make_folder(folder)
        host.replace(path, text.encode(), host.mode(path) or 0o644)
    except OSError as error:
        raise Failure(
            "NFV-BOOT-002", f"cannot write {path}", str(error), "is the boot file system mounted writable?"
        ) from error


def _restore_text(host: Host, path: str, without_ours: str | None, entry: dict[str, Any]) -> bool:
    """One file back to its original, or without our tokens; tells whether anything was written."""
    files, now = entry["before"]["files"], host.read(path)
    if path in files and (files[path] is None or _digest(now) == entry["left"].get(path)):
        if original(host, path) == files[path]:
            return False
        restore_file(host, path, files[path])
        return True
    if now == without_ours:
        return False
    _put(host, path, without_ours)
    return True


def _run(host: Host, loader: Loader) -> None:
    for argv in loader.commands():
        host.must(
            argv,
            "NFV-BOOT-002",
            f"{argv[0]} failed",
            "run it on the host and mend what it complains about (often: /boot is full)",
            LOADER_TIMEOUT_S,
        )
