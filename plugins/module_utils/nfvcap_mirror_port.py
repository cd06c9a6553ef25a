# SPDX-License-Identifier: Apache-2.0
"""A PF as the mirror backends look at it: driver, interface, model, VFs with their attributes; nothing else is read."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_host import Host
from .nfvcap_links import vf_attributes
from .nfvcap_vfattr import DEVICES, pf_interface

NO_ADDRESS = "00:00:00:00:00:00"


class Port:
    """One PF; what is asked is read at that moment, and only that."""

    def __init__(self, host: Host, address: str) -> None:
        self.host, self.address = host, address
        self.folder = f"{DEVICES}/{address}"

    @property
    def driver(self) -> str:
        """Kernel driver of the PF; "" for none."""
        return self.host.link_name(f"{self.folder}/driver") or ""

    @property
    def model(self) -> str:
        """PCI device id, ``10c9``."""
        return (self.host.value(f"{self.folder}/device") or "")[2:].lower()

    @property
    def interface(self) -> str:
        """The PF's interface at this moment; "" without one."""
        return pf_interface(self.host, self.address) or ""

    def vf_indices(self) -> list[int]:
        """VFs that exist."""
        found = (re.fullmatch(r"virtfn(\d+)", name) for name in self.host.listdir(self.folder))
        return sorted(int(match[1]) for match in found if match)

    def vf_attributes(self) -> dict[int, dict[str, Any]]:
        """Administrative attributes by VF; none when the PF has no interface."""
        name = self.interface
        links = self.host.json(["ip", "-j", "-d", "link", "show", "dev", name], list) if name else []
        return vf_attributes(links[0] if links else None)

    def vf_mac(self, index: int) -> str:
        """Administrative address of a VF; "" when it has none."""
        mac = str(self.vf_attributes().get(index, {}).get("mac") or "").lower()
        return "" if mac == NO_ADDRESS else mac

    def eswitch_mode(self) -> str:
        """``legacy``, ``switchdev``, or "" when the driver has no such thing."""
        device = f"pci/{self.address}"
        done = self.host.run(["devlink", "-j", "dev", "eswitch", "show", device])
        if not done.ok:
            return ""
        return str(_object(done.stdout).get("dev", {}).get(device, {}).get("mode", ""))

    def devlink_ports(self) -> list[dict[str, Any]]:
        """Ports of the PF's eswitch: the uplink and the representors of VFs, with their interfaces."""
        done = self.host.run(["devlink", "-j", "port", "show"])
        ports = _object(done.stdout).get("port", {}) if done.ok else {}
        return [port for name, port in ports.items() if name.startswith(f"pci/{self.address}/")]


def lockdown(host: Host) -> str:
    """``none``, ``integrity`` or ``confidentiality``; the active word stands in brackets."""
    found = re.search(r"\[(\w+)\]", host.value("/sys/kernel/security/lockdown") or "")
    return found[1] if found else "none"


def _object(text: str) -> dict[str, Any]:
    import json

    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
