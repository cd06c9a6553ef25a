# SPDX-License-Identifier: Apache-2.0
"""Counters of a host between the wire and a guest: those of the PF, and those that its driver has for each VF."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nfvcap.door.door import Door, must, shell

# The PF is named by its address: its interface may be called anything.
_READ = """
n=$(ls "/sys/bus/pci/devices/$1/net" 2>/dev/null | head -n 1)
[ -n "$n" ] || { echo none; exit 0; }
cat "/sys/class/net/$n/statistics/rx_crc_errors" "/sys/class/net/$n/statistics/rx_missed_errors"
ip -s -j link show dev "$n"
"""


@dataclass(frozen=True)
class PfObserver:
    """See :class:`nfvcap.verify.packets.path.Observer`.

    Args:
        door: the way into the host.
        pf: PCI address.
        vfs: numbers of the VFs that are looked at.
    """

    door: Door
    pf: str
    vfs: tuple[int, ...]

    def read(self) -> Mapping[str, int]:
        """Losses so far; nothing where DPDK has the PF, as nobody counts there for the kernel."""
        lines = must(shell(self.door, _READ, self.pf), self.door).splitlines()
        return counted(lines, self.vfs) if lines and lines[0] != "none" else {}


def counted(lines: Sequence[str], vfs: Sequence[int]) -> dict[str, int]:
    """Rows of the waterfall out of two counters and what `ip -s -j link show` says."""
    found = {"pf_crc": int(lines[0]), "pf_missed": int(lines[1])}
    told = json.loads("".join(lines[2:]) or "[]")
    entries = [entry for link in told for entry in link.get("vfinfo_list", []) if entry.get("vf") in vfs]
    dropped = [
        entry["stats"]["rx"]["dropped"] for entry in entries if "dropped" in entry.get("stats", {}).get("rx", {})
    ]
    if dropped:
        found["vf_dropped"] = sum(dropped)
    return found
