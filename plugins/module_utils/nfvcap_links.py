# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of a machine: what `ip -j -d address show` and sysfs say of them, each asked once."""

from __future__ import annotations

import re
import socket
from typing import Any

from .nfvcap_machine import Machine

_NET = "/sys/class/net"
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# Switchdev representors sit on the PF's PCI device, too: pf0vf3, pf0sf88, c1pf0vf3. The uplink is p0.
_REPRESENTOR = re.compile(r"(c\d+)?pf\d+((vf|sf)\d+)?$")
_VF_ATTRIBUTES = ("mac", "vlan", "qos", "trust", "spoofchk", "min_tx_rate_mbps", "max_tx_rate_mbps", "link_state")
NO_ATTRIBUTES: dict[str, Any] = dict.fromkeys(_VF_ATTRIBUTES)


class Links:
    """All interfaces of a machine.

    Attributes:
        by_name: what `ip` says, by interface name; empty when `ip` does not work.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        answer = machine.json(["ip", "-j", "-d", "address", "show"], list)
        self.by_name: dict[str, dict[str, Any]] = {link["ifname"]: link for link in answer if "ifname" in link}
        self._address_of: dict[str, str] = {}
        for name in machine.listdir(_NET):
            found = _PCI_ADDRESS.findall(machine.readlink(f"{_NET}/{name}") or "")
            if found:
                self._address_of[name] = found[-1]

    def pci_address(self, name: str) -> str | None:
        """PCI device that an interface belongs to (also through virtio); None for virtual ones."""
        return self._address_of.get(name)

    def of_device(self, address: str) -> str | None:
        """The interface of a PCI device: of several the uplink, then the first port."""
        names = [name for name, at in self._address_of.items() if at == address]
        if len(names) > 1:
            own = [name for name in names if not self._is_representor(name)]
            names = sorted(own or names, key=lambda name: (self._port(name), self._index(name)))
        return names[0] if names else None

    def lower(self, name: str) -> list[str]:
        """Interfaces below a bond, bridge, team, VLAN, macvlan, VRF, OVS datapath."""
        below = [entry[6:] for entry in self.machine.listdir(f"{_NET}/{name}") if entry.startswith("lower_")]
        if not below and self.kind(name) == "openvswitch" and name != "ovs-system":
            self.machine.problem(
                f"{name} is an Open vSwitch port: every NIC in the switch's datapath counts as below it"
            )
            below = ["ovs-system"]
        return below

    def kind(self, name: str) -> str:
        """`bond`, `vlan`, `tun`, …; "" for a plain interface."""
        return str(self.by_name.get(name, {}).get("linkinfo", {}).get("info_kind", ""))

    def with_ip_address(self, packed: bytes) -> str | None:
        """Interface that has an IP address (as `inet_pton` packs it)."""
        for name, link in self.by_name.items():
            for one in link.get("addr_info", []):
                if pack_ip(one.get("local", "")) == packed:
                    return name
        return None

    def _is_representor(self, name: str) -> bool:
        return bool(_REPRESENTOR.match(self.machine.value(f"{_NET}/{name}/phys_port_name") or ""))

    def _port(self, name: str) -> int:
        return self.machine.number(f"{_NET}/{name}/dev_port") or 0

    def _index(self, name: str) -> int:
        return int(self.by_name.get(name, {}).get("ifindex", 0))


def pack_ip(text: str) -> bytes | None:
    """An IPv4 or IPv6 address as bytes; IPv4 inside IPv6 counts as IPv4; None when it is no address."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text.partition("%")[0])
    except OSError:
        return None
    return packed[12:] if len(packed) == 16 and packed[:12] == bytes(10) + b"\xff\xff" else packed


def vf_attributes(link: dict[str, Any] | None) -> dict[int, dict[str, Any]]:
    """Administrative attributes of a PF's VFs by index, from the PF's entry; what the driver does not tell is None."""
    return {int(vf["vf"]): _attributes(vf) for vf in (link or {}).get("vfinfo_list", []) if "vf" in vf}


def _attributes(vf: dict[str, Any]) -> dict[str, Any]:
    vlans = vf.get("vlan_list") or [vf]
    rate = vf.get("rate", {})
    state = vf.get("link_state")
    return {
        "mac": vf.get("address", vf.get("mac")),  # iproute2 before 5.0 says "mac"
        "vlan": int(vlans[0].get("vlan", 0)),
        "qos": int(vlans[0].get("qos", 0)),
        "trust": _flag(vf.get("trust")),
        "spoofchk": _flag(vf.get("spoofchk")),
        "min_tx_rate_mbps": rate.get("min_tx"),
        "max_tx_rate_mbps": rate.get("max_tx", vf.get("tx_rate")),
        "link_state": state if state in ("auto", "enable", "disable") else None,
    }


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else {"on": True, "off": False}.get(str(value))
