# SPDX-License-Identifier: Apache-2.0
"""Which processes hold devices that are bound to a VFIO driver, found by who has the device's file open."""

from __future__ import annotations

from .nfvcap_machine import Machine

_PCI = "/sys/bus/pci/devices"


def is_vfio(driver: str | None) -> bool:
    """`vfio-pci` and its relatives (`mlx5_vfio_pci`, …)."""
    return driver is not None and "vfio" in driver


def vfio_holders(machine: Machine, addresses: list[str]) -> dict[str, tuple[str, int]]:
    """Name and number of the process that has each of these devices open, by PCI address.

    Costs a walk through all open files of all processes: ask only for devices that are bound to VFIO.
    """
    files = _files(machine, addresses)
    if not files:
        return {}
    found: dict[str, tuple[str, int]] = {}
    for pid in filter(str.isdigit, machine.listdir("/proc")):
        for number in machine.listdir(f"/proc/{pid}/fd"):
            for address in files.get(machine.readlink(f"/proc/{pid}/fd/{number}") or "", []):
                found.setdefault(address, (machine.value(f"/proc/{pid}/comm") or "?", int(pid)))
    return found


def _files(machine: Machine, addresses: list[str]) -> dict[str, list[str]]:
    """Devices by the files that open them: the group, and since Linux 6.6 the device itself."""
    files: dict[str, list[str]] = {}
    for address in addresses:
        group = machine.link_name(f"{_PCI}/{address}/iommu_group")
        names = [group, f"noiommu-{group}"] if group else []
        names += [f"devices/{name}" for name in machine.listdir(f"{_PCI}/{address}/vfio-dev")]
        for name in names:
            files.setdefault(f"/dev/vfio/{name}", []).append(address)
    return files
