# SPDX-License-Identifier: Apache-2.0
"""Network devices of the PCI bus as sysfs shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from nfvcap.verify.snapshot import Snapshot

_DEVICES = "/sys/bus/pci/devices"
_NIC = re.compile(_DEVICES + r"/([0-9a-f:.]+)/vendor")


@dataclass(frozen=True)
class Device:
    """One network device; a VF has a ``physfn``, a PF has ``vfs`` (index → address)."""

    address: str
    vendor: str
    device: str
    driver: str | None
    override: str | None
    node: int | None
    group: int | None
    physfn: str | None
    num_vfs: int | None
    vfs: dict[int, str]
    interfaces: tuple[str, ...]


class Pci:
    """The bus of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def devices(self) -> dict[str, Device]:
        """All network devices by address."""
        paths = self._snapshot.matching(f"{_DEVICES}/*/vendor")
        addresses = [match[1] for path in paths if (match := _NIC.fullmatch(path))]
        return {address: self._device(address) for address in addresses}

    def _device(self, address: str) -> Device:
        here = f"{_DEVICES}/{address}"
        get = self._snapshot.text
        override = get(f"{here}/driver_override")
        group = self._snapshot.target(f"{here}/iommu_group")
        node = self._snapshot.number(f"{here}/numa_node")
        return Device(
            address=address,
            vendor=(get(f"{here}/vendor") or "").removeprefix("0x"),
            device=(get(f"{here}/device") or "").removeprefix("0x"),
            driver=self._snapshot.target(f"{here}/driver"),
            # The kernel prints "(null)" for "not set".
            override=None if override in (None, "", "(null)") else override,
            node=None if node is None or node < 0 else node,
            group=None if group is None else int(group),
            physfn=self._snapshot.target(f"{here}/physfn"),
            num_vfs=self._snapshot.number(f"{here}/sriov_numvfs"),
            vfs={int(index): vf for index, vf in self._snapshot.links(f"{here}/virtfn").items()},
            interfaces=self._snapshot.names(f"{here}/net") or (),
        )

    def group_members(self, group: int) -> tuple[str, ...]:
        """Addresses of the devices that share an IOMMU group."""
        return self._snapshot.names(f"/sys/kernel/iommu_groups/{group}/devices") or ()

    def driver_of(self, address: str) -> str | None:
        """Driver of any device that shares an IOMMU group with a network device."""
        return self._snapshot.target(f"{_DEVICES}/{address}/driver")

    def is_bridge(self, address: str) -> bool:
        """PCI bridges may share a group: VFIO does not count them."""
        return (self._snapshot.text(f"{_DEVICES}/{address}/class") or "").startswith("0x06")
