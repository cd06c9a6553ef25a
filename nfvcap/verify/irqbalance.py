# SPDX-License-Identifier: Apache-2.0
"""CPUs that irqbalance keeps interrupts away from: as the daemon was told, and as it will be told next time."""

from __future__ import annotations

import shlex

from nfvcap.verify.cmdline import cpu_set, mask_set
from nfvcap.verify.snapshot import CannotJudge, Snapshot

_LIST, _MASK = "IRQBALANCE_BANNED_CPULIST", "IRQBALANCE_BANNED_CPUS"


def banned_now(snapshot: Snapshot, pid: int) -> frozenset[int] | None:
    """From the environment of the running daemon; None when nothing is banned there."""
    text = snapshot.text(f"/proc/{pid}/environ")
    if text is None:
        raise CannotJudge(f"irqbalance (process {pid}) ended while it was looked at")
    return _banned(dict(entry.partition("=")[::2] for entry in text.split("\0")))


def banned_at_start(snapshot: Snapshot) -> frozenset[int] | None:
    """From the unit's files; what an environment file sets wins over ``Environment=``, as in systemd."""
    variables: dict[str, str] = {}
    files: dict[str, str] = {}
    for directory in ("/usr/lib/systemd/system", "/etc/systemd/system"):
        files |= snapshot.matching(f"{directory}/irqbalance.service")
    for directory in ("/usr/lib/systemd/system", "/etc/systemd/system"):
        files |= snapshot.matching(f"{directory}/irqbalance.service.d/*.conf")
    for text in files.values():
        for line in text.splitlines():
            key, _, value = line.strip().partition("=")
            if key.strip() == "Environment":
                variables.update(word.partition("=")[::2] for word in shlex.split(value))
    for path in ("/etc/default/irqbalance", "/etc/sysconfig/irqbalance"):
        for line in (snapshot.text(path) or "").splitlines():
            if line.strip() and not line.lstrip().startswith("#") and "=" in line:
                key, _, value = line.strip().partition("=")
                variables[key] = value.strip("\"'")
    return _banned(variables)


def _banned(variables: dict[str, str]) -> frozenset[int] | None:
    if variables.get(_LIST):
        return cpu_set(variables[_LIST])
    if variables.get(_MASK):
        return mask_set(variables[_MASK])
    return None
