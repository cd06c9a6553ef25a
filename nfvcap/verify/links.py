# SPDX-License-Identifier: Apache-2.0
"""Interfaces, the VF attributes that a PF reports, and which devices carry the way in: from `ip -j` and /proc/net."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nfvcap.verify.snapshot import CannotJudge, Snapshot


@dataclass(frozen=True)
class VfInfo:
    """Administrative attributes of one VF; None: the driver does not report it."""

    mac: str | None
    vlan: int
    qos: int
    trust: bool | None
    spoofchk: bool | None
    min_tx_rate_mbps: int | None
    max_tx_rate_mbps: int | None
    link_state: str | None


def vf_info(raw: dict[str, Any]) -> VfInfo:
    """One element of ``vfinfo_list``; VLAN and rates stand in sub-objects or, from older iproute2, beside them."""
    vlan = (raw.get("vlan_list") or [raw])[0]
    rate = raw.get("rate") or {}
    return VfInfo(
        mac=raw.get("address") or raw.get("mac"),
        # iproute2 prints no key for VLAN 0 and priority 0.
        vlan=vlan.get("vlan", 0),
        qos=vlan.get("qos", 0),
        trust=raw.get("trust"),
        spoofchk=raw.get("spoofchk"),
        min_tx_rate_mbps=rate.get("min_tx"),
        max_tx_rate_mbps=rate.get("max_tx", raw.get("tx_rate")),
        link_state=raw.get("link_state"),
    )


class Links:
    """Interfaces of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def by_name(self) -> dict[str, dict[str, Any]]:
        """Interface → what `ip -j -d link show` says about it."""
        return {link["ifname"]: link for link in self._snapshot.json_of("links") if "ifname" in link}

    def is_up(self, name: str) -> bool:
        """Administratively up, whatever the cable says."""
        return "UP" in self.by_name.get(name, {}).get("flags", ())

    def vf(self, pf_name: str, index: int) -> VfInfo | None:
        for raw in self.by_name.get(pf_name, {}).get("vfinfo_list", ()):
            if raw.get("vf") == index:
                return vf_info(raw)
        return None

    def below(self, name: str) -> set[str]:
        """PCI addresses under an interface, through bond, bridge and VLAN."""
        lower = self._snapshot.links(f"/sys/class/net/{name}/lower_")
        found = {address for port in lower for address in self.below(port)}
        device = self._snapshot.resolved(f"/sys/class/net/{name}/device")
        # Virtio and the like sit one level below their PCI device.
        parts = [part for part in (device or "").split("/") if part.count(":") == 2 and "." in part]
        return found | set(parts[-1:])

    def default_routes(self) -> set[str]:
        """Interfaces of the default routes, IPv4 and IPv6."""
        names = set()
        for line in (self._snapshot.text("/proc/net/route") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
                names.add(fields[0])
        for line in (self._snapshot.text("/proc/net/ipv6_route") or "").splitlines():
            fields = line.split()
            # Destination ::/0; the kernel's own "unreachable" entries sit on lo.
            if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo":
                names.add(fields[9])
        return names

    def of_ssh(self) -> set[str]:
        """The interface that holds the address which this ssh connection came to."""
        address = self._snapshot.raw["ssh_server_address"]
        if not address:
            return set()
        names = set()
        for link in self._snapshot.json_of("addresses"):
            if any(entry.get("local") == address for entry in link.get("addr_info", ())):
                names.add(link["ifname"])
        if not names:
            raise CannotJudge(f"no interface has the address {address} that ssh came in by")
        return names
