# SPDX-License-Identifier: Apache-2.0
"""A VF that a guest captures from, as its host and the guest see it. Pure.

A PF that is captured from itself, and a virtual NIC over a PF, are told in the same words (see ``ports``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvcap.agent.frame import Layout, from_outside
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Nic, Vf

_NO_MAC = "00:00:00:00:00:00"


@dataclass(frozen=True)
class GuestVf:
    """Where it is on the host, where it is in the guest, and what reaches it."""

    address: str
    pf: str
    pf_driver: str  # "kernel" or "DPDK"; "" of what is no VF
    index: int  # negative of what is no VF
    mac: str
    vlan: int
    link_mbps: int  # 0: not known
    interface: str  # in the guest; "" when no kernel driver there makes one
    guest_address: str  # PCI address in the guest; "" when it does not say
    keys: str = ""  # ",key=value" that the agent wants to hear behind that address

    @property
    def layout(self) -> Layout:
        """Addresses and tag of frames from outside to this VF."""
        return from_outside(self.mac, self.vlan)


def vfs_of(guest: Mapping[str, Any], facts: Facts) -> tuple[GuestVf, ...]:
    """The VFs of a guest, in the order in which it has them.

    Args:
        guest: as the module nfvcap_guest_info tells it.
        facts: of its host.

    Raises:
        UsageError: NFV-PKT-209 it does not run or has no VF; NFV-PKT-212 nobody knows the address of a VF.
    """
    name = guest["name"]
    if guest["state"] not in ("running", "blocked"):
        raise UsageError("NFV-PKT-209", f"guest {name} does not run", f"it is {guest['state']}",
                         f"nfvcap guest start {name}")  # fmt: skip
    known = {vf.address: (nic, vf) for nic in facts.nics if nic.sriov for vf in nic.sriov.vfs}
    lent = [entry for entry in guest["vfs"] if entry["address"] in known]
    if not lent:
        raise UsageError("NFV-PKT-209", f"guest {name} has no VF", "nothing from outside reaches it on this path",
                         f"nfvcap attach-vf {name}")  # fmt: skip
    macs = {one["name"]: str(one["mac"]) for one in guest["interfaces"]}
    return tuple(_one(name, entry, *known[entry["address"]], macs) for entry in lent)


def _one(guest: str, entry: Mapping[str, Any], nic: Nic, vf: Vf, macs: Mapping[str, str]) -> GuestVf:
    interface = entry["interface"] or ""
    # The card delivers by what the PF has: a monitor has been lent the address of whom it watches.
    candidates = (vf.mac, macs.get(interface), entry["mac"])
    mac = next((str(mac) for mac in candidates if mac and mac != _NO_MAC), "")
    if not mac:
        raise UsageError(
            "NFV-PKT-212", f"the MAC address of VF {vf.address} of guest {guest} is not known",
            "it has no administrative address, and the guest shows no interface of it",
            f"give VF {vf.index} a mac in the inventory and attach it again",
        )  # fmt: skip
    return GuestVf(
        address=vf.address, pf=nic.address, pf_driver="DPDK" if nic.driver == "vfio-pci" else "kernel", index=vf.index,
        mac=mac.lower(), vlan=vf.vlan or 0, link_mbps=max(0, nic.speed_mbps or 0), interface=interface,
        guest_address=entry["guest_address"] or "",
    )  # fmt: skip
