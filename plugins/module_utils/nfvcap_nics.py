# SPDX-License-Identifier: Apache-2.0
"""All PCI network devices of a machine, their virtual functions, what they carry and who holds them."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_carriers import DEFAULT_ROUTE, SSH, read_carriers
from .nfvcap_holders import is_vfio, vfio_holders
from .nfvcap_links import NO_ATTRIBUTES, Links, vf_attributes
from .nfvcap_machine import Machine

_PCI = "/sys/bus/pci/devices"
_NETWORK_CLASS = "0x02"
_NO_SPEED = (None, -1, 0xFFFFFFFF)
# Kernel drivers with an eswitch that devlink can ask about.
_ESWITCH_DRIVERS = {"mlx5_core", "ice", "nfp", "bnxt_en", "sfc", "liquidio"}


def read_nics(machine: Machine, guests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The part `nics` of the facts; `guests` is the part of that name (their devices are held by them)."""
    addresses = [
        name
        for name in machine.listdir(_PCI)
        if (machine.value(f"{_PCI}/{name}/class") or "").startswith(_NETWORK_CLASS)
    ]
    nics = _Nics(machine, addresses, guests)
    return [nics.nic(address) for address in addresses]


class _Nics:
    """What has to be asked once for all devices, and how one device is told with it."""

    def __init__(self, machine: Machine, addresses: list[str], guests: list[dict[str, Any]]) -> None:
        self.machine = machine
        self.links = Links(machine)
        self.carriers = read_carriers(machine, self.links, set(addresses))
        self.holders = _holders(machine, addresses, guests)

    def nic(self, address: str) -> dict[str, Any]:
        machine, folder = self.machine, f"{_PCI}/{address}"
        name = self.links.of_device(address)
        link = self.links.by_name.get(name or "", {})
        up = "UP" in link["flags"] if "flags" in link else None
        sriov = self._sriov(folder, link)
        roles = self.carriers.roles.get(address, set())
        device = self._device(address, name)
        return {
            **device,
            "altnames": [str(other) for other in link.get("altnames", [])],
            # A bond gives its members one address; the NIC's own one identifies it.
            "mac": link.get("permaddr", link.get("address")),
            "vendor_id": _hex_id(machine, f"{folder}/vendor"),
            "firmware": machine.firmware(name) if name else None,
            "admin_up": up,
            "link_up": "LOWER_UP" in link["flags"] if up else None,
            "speed_mbps": _speed(machine, name) if up else None,
            "mtu": link.get("mtu"),
            "eswitch_mode": _eswitch_mode(machine, address) if sriov and device["driver"] in _ESWITCH_DRIVERS else None,
            "physfn": machine.link_name(f"{folder}/physfn"),
            "sriov": sriov,
            "carries": [role for role in (SSH, DEFAULT_ROUTE) if role in roles],
            "carries_via": self.carriers.via.get(address, []),
        }

    def _device(self, address: str, name: str | None) -> dict[str, Any]:
        """What physical and virtual functions have in common."""
        folder = f"{_PCI}/{address}"
        group = self.machine.link_name(f"{folder}/iommu_group")
        override = self.machine.value(f"{folder}/driver_override")
        node = self.machine.number(f"{folder}/numa_node")
        return {
            "address": address,
            "name": name,
            "driver": self.machine.link_name(f"{folder}/driver"),
            "driver_override": None if override == "(null)" else override,
            "device_id": _hex_id(self.machine, f"{folder}/device"),
            "node": None if node is None or node < 0 else node,
            "iommu_group": int(group) if group and group.isdigit() else None,
            "holder": self.holders.get(address),
        }

    def _sriov(self, folder: str, link: dict[str, Any]) -> dict[str, Any] | None:
        machine = self.machine
        total = machine.number(f"{folder}/sriov_totalvfs")
        if total is None:
            return None
        attributes = vf_attributes(link)
        entries = (re.fullmatch(r"virtfn(\d+)", entry) for entry in machine.listdir(folder))
        indices = sorted(int(found[1]) for found in entries if found)
        return {
            "total_vfs": total,
            "num_vfs": machine.number(f"{folder}/sriov_numvfs") or 0,
            "drivers_autoprobe": machine.value(f"{folder}/sriov_drivers_autoprobe") != "0",
            "vf_device_id": (machine.value(f"{folder}/sriov_vf_device") or "").lower(),
            "offset": machine.number(f"{folder}/sriov_offset"),
            "stride": machine.number(f"{folder}/sriov_stride"),
            "vfs": [self._vf(folder, index, attributes.get(index, NO_ATTRIBUTES)) for index in indices],
        }

    def _vf(self, pf_folder: str, index: int, attributes: dict[str, Any]) -> dict[str, Any]:
        address = self.machine.link_name(f"{pf_folder}/virtfn{index}") or ""
        device = self._device(address, self.links.of_device(address))
        driver = device["driver"]
        if driver and not device["name"] and not is_vfio(driver):
            self.machine.problem(f"{address}: driver {driver}, but no interface (moved to a network namespace?)")
        return {"index": index, **device, **attributes}


def _holders(machine: Machine, addresses: list[str], guests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    on_vfio = [address for address in addresses if is_vfio(machine.link_name(f"{_PCI}/{address}/driver"))]
    found: dict[str, dict[str, Any]] = {
        address: {"kind": "vfio", "name": name, "pid": pid}
        for address, (name, pid) in vfio_holders(machine, on_vfio).items()
    }
    for guest in guests:
        if guest["state"] in ("running", "paused"):
            for address in guest["hostdevs"]:
                pid = found.get(address, {}).get("pid")
                found[address] = {"kind": "libvirt", "name": guest["name"], "pid": pid}
    return found


def _hex_id(machine: Machine, path: str) -> str:
    return (machine.value(path) or "")[2:].lower()


def _speed(machine: Machine, name: str | None) -> int | None:
    speed = machine.number(f"/sys/class/net/{name}/speed")
    return None if speed in _NO_SPEED else speed


def _eswitch_mode(machine: Machine, address: str) -> str | None:
    device = f"pci/{address}"
    answer = machine.json(["devlink", "-j", "dev", "eswitch", "show", device], dict)
    mode = answer.get("dev", {}).get(device, {}).get("mode")
    return mode if mode in ("legacy", "switchdev") else None
