# SPDX-License-Identifier: Apache-2.0
"""Kernel modules and their options: now from /sys/module, at boot from modules-load.d and modprobe.d."""

from __future__ import annotations

from pathlib import PurePosixPath

from nfvcap.verify.cmdline import tokens
from nfvcap.verify.snapshot import Snapshot

_TRUE, _FALSE = {"1", "y", "yes", "on", "true"}, {"0", "n", "no", "off", "false"}


def _canonical(name: str) -> str:
    """The kernel takes ``-`` and ``_`` in module names for the same."""
    return name.replace("-", "_")


def is_loaded(snapshot: Snapshot, module: str) -> bool:
    """Loaded, or part of the kernel itself."""
    return _canonical(module) in (snapshot.names("/sys/module") or ()) or _builtin(snapshot, module)


def _builtin(snapshot: Snapshot, module: str) -> bool:
    lists = snapshot.matching("/lib/modules/*/modules.builtin")
    lines = [line for text in lists.values() for line in text.splitlines()]
    return any(_canonical(PurePosixPath(line).name) == f"{_canonical(module)}.ko" for line in lines)


def loaded_at_boot(snapshot: Snapshot, module: str) -> str:
    """The file that has the module loaded at boot, "built in", or "" when nothing does."""
    if _builtin(snapshot, module):
        return "built in"
    files = _effective(snapshot, "modules-load.d") | snapshot.matching("/etc/modules")
    for path, text in files.items():
        if any(_canonical(line.strip()) == _canonical(module) for line in text.splitlines()):
            return path
    return ""


def option_at_boot(snapshot: Snapshot, module: str, key: str) -> str | None:
    """Value of an option when the module is loaded next: modprobe.d in order, the last one wins."""
    value = None
    for _name, text in sorted(_effective(snapshot, "modprobe.d").items(), key=lambda entry: entry[0].rsplit("/")[-1]):
        for line in text.splitlines():
            words = line.split("#")[0].split()
            if words[:1] == ["options"] and len(words) > 2 and _canonical(words[1]) == _canonical(module):
                value = dict(word.partition("=")[::2] for word in words[2:]).get(key, value)
    for word in tokens(snapshot.text("/proc/cmdline") or ""):
        name, dot, rest = word.partition(".")
        if dot and _canonical(name) == _canonical(module) and rest.partition("=")[0] == key:
            value = rest.partition("=")[2]
    return value


def _effective(snapshot: Snapshot, directory: str) -> dict[str, str]:
    """Files of a configuration directory; one in /etc hides its namesake in /usr/lib."""
    files = snapshot.matching(f"/usr/lib/{directory}/*.conf")
    own = snapshot.matching(f"/etc/{directory}/*.conf")
    hidden = {path.rsplit("/", 1)[-1] for path in own}
    return {path: text for path, text in files.items() if path.rsplit("/", 1)[-1] not in hidden} | own


def same_value(found: str, wanted: str) -> bool:
    """Module parameters spell booleans Y and N whatever was written."""
    if found == wanted:
        return True
    low = (found.lower(), wanted.lower())
    return all(value in _TRUE for value in low) or all(value in _FALSE for value in low)
