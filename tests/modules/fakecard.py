# SPDX-License-Identifier: Apache-2.0
"""An SR-IOV card in a fake tree that behaves as igb, igbvf and vfio-pci do (hand-made after a real 82576 in QEMU)."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.nfvcap_command import Completed

from tests.modules.fakehost import FakeHost

PCI = "/sys/bus/pci/devices"
DRIVERS = "/sys/bus/pci/drivers"
VF_DRIVER = "igbvf"


class FakeCard:
    """A PF ``address`` with the interface ``name``; every write is answered as the kernel would.

    Attributes:
        vfs: administrative attributes by index, as `ip` tells them.
        create_fails: errno of the next write of a number above 0, or None.
        blocks: writes to sriov_numvfs never end.
        refuses: attribute words that the PF's driver does not know ("state").
        late: virtfn links appear only after so many seconds.
        takes: called before a driver takes a VF; may raise OSError to refuse.
    """

    def __init__(self, host: FakeHost, address: str = "0000:81:00.0", name: str = "enp129s0", total: int = 8) -> None:
        self.host, self.address, self.name, self.total = host, address, name, total
        self.vfs: dict[int, dict[str, Any]] = {}
        self.up = False
        self.create_fails: int | None = None
        self.blocks = False
        self.refuses: tuple[str, ...] = ()
        self.late_s = 0.0
        self.takes: Callable[[str, str], None] = lambda address, driver: None
        self.extra_links: list[dict[str, Any]] = []
        self.default_routes: list[dict[str, Any]] = []
        self._plant()

    def _plant(self) -> None:
        host, folder = self.host, f"{PCI}/{self.address}"
        for file, text in {
            "class": "0x020000", "vendor": "0x8086", "device": "0x10c9", "numa_node": "1", "sriov_totalvfs": self.total,
            "sriov_numvfs": 0, "sriov_drivers_autoprobe": 1, "sriov_vf_device": "10ca", "sriov_offset": 128,
            "sriov_stride": 2, "driver_override": "(null)",
        }.items():  # fmt: skip
            host.plant(f"{folder}/{file}", f"{text}\n")
        host.plant(f"{folder}/net/{self.name}/ifindex", "3\n")
        host.link(f"{folder}/driver", "../../../bus/pci/drivers/igb")
        host.link(f"/sys/class/net/{self.name}", f"../../devices/pci0000:80/{self.address}/net/{self.name}")
        host.plant(f"/sys/devices/pci0000:80/{self.address}/net/{self.name}/flags", "0x1002\n")
        host.plant(f"/sys/devices/pci0000:80/{self.address}/net/{self.name}/carrier", "1\n")
        for driver in ("igb", VF_DRIVER, "vfio-pci"):
            host.plant(f"{DRIVERS}/{driver}/bind")
        host.plant("/sys/class/iommu/dmar0/name")
        host.plant("/run/lock/keep")
        host.reactions[f"{folder}/sriov_numvfs"] = self._numvfs
        host.reactions["/sys/bus/pci/drivers_probe"] = self._probe
        for driver in (VF_DRIVER, "vfio-pci"):
            host.reactions[f"{DRIVERS}/{driver}/bind"] = lambda text, driver=driver: self._take(text.strip(), driver)
        host.answers["ip"] = self._ip
        host.answers["udevadm"] = lambda words: ""

    # What the kernel does.

    def _numvfs(self, text: str) -> None:
        count = int(text)
        if self.blocks:
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        if count and self.create_fails:
            raise OSError(self.create_fails, os.strerror(self.create_fails))
        if count and self.vfs:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        for index in list(self.vfs):
            self._destroy(index)
        self.host.plant(f"{PCI}/{self.address}/sriov_numvfs", f"{count}\n")
        if self.late_s:
            self.host.on_sleep = lambda now_s: self._create_when(now_s, count)
        else:
            self._create(count)

    def _create_when(self, now_s: float, count: int) -> None:
        if now_s >= self.late_s and not self.vfs:
            self._create(count)

    def vf(self, index: int) -> str:
        return f"{self.address[:8]}{16 + index // 4:02x}.{index % 4 * 2}"

    def _create(self, count: int) -> None:
        for index in range(count):
            self.vfs[index] = {
                "vf": index, "address": "00:00:00:00:00:00", "vlan_list": [{"vlan": 0, "qos": 0}], "spoofchk": True,
                "rate": {"max_tx": 0, "min_tx": 0}, "trust": False, "link_state": "auto",
            }  # fmt: skip
            address, folder = self.vf(index), f"{PCI}/{self.vf(index)}"
            for file, value in {"class": "0x020000", "vendor": "0x8086", "device": "0x10ca", "numa_node": "1"}.items():
                self.host.plant(f"{folder}/{file}", f"{value}\n")
            self.host.plant(f"{folder}/driver_override", "(null)\n")
            self.host.link(f"{folder}/physfn", f"../{self.address}")
            self.host.link(f"{PCI}/{self.address}/virtfn{index}", f"../{address}")
            self.group(address, 40 + index)
            self.host.reactions[f"{folder}/driver_override"] = lambda text, at=folder: self.host.plant(
                f"{at}/driver_override", f"{text.strip() or '(null)'}\n"
            )
            self.host.reactions[f"{folder}/driver/unbind"] = lambda text: self._release(text.strip())
            if self.host.value(f"{PCI}/{self.address}/sriov_drivers_autoprobe") == "1":
                self._take(address, VF_DRIVER)

    def _destroy(self, index: int) -> None:
        address = self.vf(index)
        self._release(address)
        shutil.rmtree(self.host.real(f"{PCI}/{address}"))
        self.host.unlink(f"{PCI}/{self.address}/virtfn{index}")
        del self.vfs[index]

    def group(self, address: str, number: int) -> None:
        """Put a device into an IOMMU group."""
        self.host.link(f"{PCI}/{address}/iommu_group", f"../../../kernel/iommu_groups/{number}")
        self.host.link(f"/sys/kernel/iommu_groups/{number}/devices/{address}", f"../../../../{address}")

    def _probe(self, text: str) -> None:
        address = text.strip()
        override = self.host.value(f"{PCI}/{address}/driver_override")
        autoprobe = self.host.value(f"{PCI}/{self.address}/sriov_drivers_autoprobe") == "1"
        if override != "(null)" and override is not None:
            self._take(address, override)
        elif autoprobe:
            self._take(address, VF_DRIVER)

    def _take(self, address: str, driver: str) -> None:
        if self.host.readlink(f"{PCI}/{address}/driver"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        self.takes(address, driver)
        self.host.link(f"{PCI}/{address}/driver", f"../../../bus/pci/drivers/{driver}")
        self.host.plant(f"{DRIVERS}/{driver}/{address}")
        if driver == VF_DRIVER:
            name = f"{self.name}v{address[-4:]}"
            self.host.plant(f"{PCI}/{address}/net/{name}/ifindex", "9\n")
            self.host.link(f"/sys/class/net/{name}", f"../../devices/pci0000:80/{address}/net/{name}")

    def _release(self, address: str) -> None:
        driver = self.host.link_name(f"{PCI}/{address}/driver")
        if driver is None:
            return
        self.host.unlink(f"{PCI}/{address}/driver")
        self.host.unlink(f"{DRIVERS}/{driver}/{address}")
        shutil.rmtree(self.host.real(f"{PCI}/{address}/net"), ignore_errors=True)
        self.host.unlink(f"/sys/class/net/{self.name}v{address[-4:]}")

    # What `ip` does.

    def _ip(self, words: list[str]) -> Completed | str:
        if words[:2] == ["ip", "-j"] and ("address" in words or words[3:5] == ["link", "show"]):
            flags = ["BROADCAST", "UP", "LOWER_UP"] if self.up else ["BROADCAST"]
            pf = {"ifname": self.name, "flags": flags, "mtu": 1500, "vfinfo_list": list(self.vfs.values())}
            return json.dumps([pf, *self.extra_links])
        if words[:2] == ["ip", "-j"]:
            return json.dumps(self.default_routes if "default" in words else [])
        assert words[:4] == ["ip", "link", "set", "dev"] and words[4] == self.name, words
        return self._set(words[5:]) or ""

    def _set(self, words: list[str]) -> Completed | None:
        if words in (["up"], ["down"]):
            self.up = words == ["up"]
            flags = f"/sys/devices/pci0000:80/{self.address}/net/{self.name}/flags"
            self.host.plant(flags, "0x1003\n" if self.up else "0x1002\n")
            return None
        vf = self.vfs[int(words[1])]
        pairs = dict(zip(words[2::2], words[3::2], strict=True))
        for word, value in pairs.items():
            if word in self.refuses:
                return Completed(["ip"], 2, "", "RTNETLINK answers: Operation not supported")
            if word == "mac":
                vf["address"] = value
            elif word in ("vlan", "qos"):
                vf["vlan_list"][0][word] = int(value)
            elif word in ("trust", "spoofchk"):
                vf[word] = value == "on"
            elif word in ("min_tx_rate", "max_tx_rate"):
                vf["rate"][word[:6]] = int(value)
            else:
                vf["link_state"] = value
        self.changed()
        return None

    def changed(self) -> None:
        """Called whenever an attribute of a VF has changed; a test that survives its process keeps them on disk."""

    # What other people do.

    def hold(self, index: int, process: str = "dpdk-testpmd", pid: int = 4711) -> None:
        """A process opens the VFIO group of a VF."""
        group = self.host.link_name(f"{PCI}/{self.vf(index)}/iommu_group")
        self.host.plant(f"/proc/{pid}/comm", f"{process}\n")
        self.host.link(f"/proc/{pid}/fd/7", f"/dev/vfio/{group}")

    def run_guest(self, name: str, index: int) -> None:
        """libvirt runs a guest that has a VF."""
        bus, slot, function = self.vf(index)[5:7], self.vf(index)[8:10], self.vf(index)[11:]
        self.host.plant("/proc/900/comm", "qemu\n")
        self.host.plant(
            f"/run/libvirt/qemu/{name}.xml",
            f"<domstatus state='running' pid='900'><domain><name>{name}</name><devices><hostdev type='pci'><source>"
            f"<address domain='0x0000' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source></hostdev>"
            "</devices></domain></domstatus>",
        )

    def drivers(self) -> dict[int, str | None]:
        return {index: self.host.link_name(f"{PCI}/{self.vf(index)}/driver") for index in sorted(self.vfs)}

    def numvfs_writes(self) -> list[str]:
        path = f"{PCI}/{self.address}/sriov_numvfs"
        return [text.strip() for where, text in self.host.writes if where == path]


def card(tree: Path) -> FakeCard:
    """A fresh host with one card without VFs."""
    return FakeCard(FakeHost(tree))
