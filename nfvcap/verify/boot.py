# SPDX-License-Identifier: Apache-2.0
"""What the boot loader will give to the kernel next time, from its raw files."""

from __future__ import annotations

from dataclasses import dataclass

from nfvcap.verify.cmdline import last_value, tokens
from nfvcap.verify.snapshot import CannotJudge, Snapshot

_KERNEL_LINES = ("linux", "linux16", "linuxefi")
_RESCUE = ("single", "recovery", "rescue", "systemd.unit=rescue.target")


@dataclass(frozen=True)
class BootEntry:
    """One kernel line: which file it is in, and the arguments after the kernel's name."""

    source: str
    words: tuple[str, ...]


def boot_entries(snapshot: Snapshot) -> list[BootEntry]:
    """Entries that boot this system normally (same root device; rescue and memory tests left out).

    Raises:
        CannotJudge: no boot loader that is known has left its files.
    """
    entries = _loader_spec(snapshot) or _grub_cfg(snapshot)
    if not entries:
        raise CannotJudge("neither /boot/grub*/grub.cfg nor /boot/loader/entries/*.conf holds a kernel line")
    root = last_value(tokens(snapshot.text("/proc/cmdline") or ""), "root")
    return [entry for entry in entries if root in entry.words] or entries


def _grub_cfg(snapshot: Snapshot) -> list[BootEntry]:
    entries = []
    for path, text in snapshot.matching("/boot/grub*/grub.cfg").items():
        for line in text.splitlines():
            words = tokens(line.replace("'", '"'))
            if words and words[0] in _KERNEL_LINES and not set(words) & set(_RESCUE):
                entries.append(BootEntry(path, tuple(words[2:])))
    return entries


def _loader_spec(snapshot: Snapshot) -> list[BootEntry]:
    """Boot Loader Specification entries, as on the RHEL family; they count only when GRUB reads them."""
    if not any("blscfg" in text for text in snapshot.matching("/boot/grub*/grub.cfg").values()):
        return []
    variables: dict[str, str] = {}
    for text in snapshot.matching("/boot/grub*/grubenv").values():
        variables |= {name: value for line in text.splitlines() for name, mark, value in [line.partition("=")] if mark}
    entries = []
    for path, text in snapshot.matching("/boot/loader/entries/*.conf").items():
        options = " ".join(line.split(None, 1)[1] for line in text.splitlines() if line.startswith("options "))
        for name, value in variables.items():
            options = options.replace(f"${name}", value)
        if "rescue" not in path:
            entries.append(BootEntry(path, tuple(tokens(options))))
    return entries


def configured_words(snapshot: Snapshot) -> tuple[str, list[str]]:
    """Where the next update of the boot loader takes its arguments from, and those arguments."""
    if snapshot.text("/etc/default/grub") is None:
        kernel = snapshot.text("/etc/kernel/cmdline")
        if kernel is None:
            raise CannotJudge("neither /etc/default/grub nor /etc/kernel/cmdline exists")
        return "/etc/kernel/cmdline", tokens(kernel)
    said = snapshot.said("grub_defaults")
    if said.rc != 0:
        raise CannotJudge(f"/etc/default/grub and grub.d cannot be evaluated: {said.stderr.strip()}")
    extra = snapshot.text("/etc/kernel/cmdline") if snapshot.matching("/boot/loader/entries/*.conf") else None
    return "/etc/default/grub and /etc/default/grub.d", [*tokens(said.stdout), *tokens(extra or "")]
