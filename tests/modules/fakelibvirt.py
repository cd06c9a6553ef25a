# SPDX-License-Identifier: Apache-2.0
"""libvirt's Python binding for a fake host: guests are the files that libvirt keeps, so everybody else sees them, too.

It does to a VF what the real one was seen to do: takes it to vfio-pci and back (managed), sets MAC address and VLAN,
and restores those two only. Faults are asked for by name.
"""

from __future__ import annotations

import base64
import json
import sys
import types
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.modules.fakecard import PCI, FakeCard

DEFINED, RUNNING, SAVED = "/etc/libvirt/qemu", "/run/libvirt/qemu", "/run/libvirt/hostdevmgr"
UUID = "6f1b0a52-6a7e-4a5e-9a58-3f0f5a3b1c11"
LIVE, CONFIG = 1, 2
REMOVED, REMOVAL_FAILED = 15, 22


class LibvirtError(Exception):
    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self._code = code

    def get_error_code(self) -> int:
        return self._code


class FakeLibvirt:
    """The hypervisor of a fake host, on its files alone: a second object on the same tree sees the same guests.

    Attributes:
        faults: (operation, "live" or "config") → what is raised; operations are attach, detach, define.
        silent: the guest does not answer to a request to release a device.
        agent: a guest agent answers.
        blind: the guest does not see what is attached.
        netless: the guest's driver for what is attached makes no interface.
    """

    def __init__(self, card: FakeCard) -> None:
        self.card, self.host = card, card.host
        self.faults: dict[tuple[str, str], str] = {}
        self.silent = self.refuses = self.blind = self.netless = False
        self.agent = True
        self.dropped = False  # libvirtd has ended the connection
        self.callbacks: dict[int, tuple[int, Callable[..., None]]] = {}
        self.pending: list[str] = []
        self.open_connections = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeLibvirt:
        module = types.ModuleType("libvirt")
        names: dict[str, Any] = {
            "libvirtError": LibvirtError, "VIR_ERR_NO_DOMAIN": 42, "VIR_ERR_DEVICE_MISSING": 99,
            "VIR_ERR_OPERATION_INVALID": 55, "VIR_DOMAIN_PAUSED": 3, "VIR_DOMAIN_XML_INACTIVE": 2,
            "VIR_DOMAIN_XML_SECURE": 1, "VIR_DOMAIN_AFFECT_LIVE": LIVE, "VIR_DOMAIN_AFFECT_CONFIG": CONFIG,
            "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED": REMOVED, "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED": REMOVAL_FAILED,
            "VIR_ERR_INTERNAL_ERROR": 1, "registerErrorHandler": lambda *_: None,
            "virEventRegisterDefaultImpl": lambda: None, "virEventAddTimeout": lambda *_: 1,
            "virEventRemoveTimeout": lambda _: None, "virEventRunDefaultImpl": self._run_events, "open": self._open,
        }  # fmt: skip
        for name, value in names.items():
            setattr(module, name, value)
        qemu = types.ModuleType("libvirt_qemu")
        qemu.qemuAgentCommand = self._agent  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "libvirt", module)
        monkeypatch.setitem(sys.modules, "libvirt_qemu", qemu)
        return self

    def define(
        self, name: str = "vm1", *, running: bool = True, ports: int = 4, uuid: str = UUID, iommu: bool = False
    ) -> None:
        """A guest on q35 with so many PCI Express ports, the first of which has its network card."""
        controllers = "".join(
            f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, ports + 1)
        )
        text = (
            f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>512</memory><vcpu>1</vcpu>"
            f"<devices><controller type='pci' index='0' model='pcie-root'/>{controllers}<interface type='network'>"
            "<mac address='52:54:00:00:00:01'/><address type='pci' domain='0x0000' bus='0x01' slot='0x00'"
            f" function='0x0'/></interface>{'<iommu/>' if iommu else ''}</devices></domain>"
        )
        domain = Domain(self, name)
        domain.store(CONFIG, ElementTree.fromstring(text))
        if running:
            self.host.plant("/proc/900/comm", "qemu\n")
            domain.store(LIVE, ElementTree.fromstring(text))

    def stop(self, name: str = "vm1") -> None:
        """The guest ends, and its devices go back to the host."""
        domain = Domain(self, name)
        for device in domain.tree(LIVE).findall("devices/interface[@type='hostdev']"):
            self.give_back(device)
        self.host.unlink(f"{RUNNING}/{name}.xml")

    # The binding.

    def _open(self, uri: str) -> FakeLibvirt:
        assert uri == "qemu:///system"
        self.open_connections += 1
        return self

    def close(self) -> None:
        self.open_connections -= 1

    def getLibVersion(self) -> int:
        if self.dropped:
            self.dropped = False
            self.open_connections -= 1
            raise LibvirtError("internal error: client socket is closed", 1)
        return 11003000

    def listAllDomains(self) -> list[Domain]:
        names = {name[:-4] for at in (DEFINED, RUNNING) for name in self.host.listdir(at) if name.endswith(".xml")}
        return [Domain(self, name) for name in sorted(names)]

    def lookupByUUIDString(self, uuid: str) -> Domain:
        for domain in self.listAllDomains():
            if domain.UUIDString() == uuid:
                return domain
        raise LibvirtError("Domain not found", 42)

    def defineXML(self, xml: str) -> None:
        self.fault("define", "config")
        Domain(self, ElementTree.fromstring(xml).findtext("name", "")).store(CONFIG, ElementTree.fromstring(xml))

    def domainEventRegisterAny(self, domain: Domain, event: int, callback: Callable[..., None], _: Any) -> int:
        self.callbacks[len(self.callbacks) + 1] = (event, callback)
        return len(self.callbacks)

    def domainEventDeregisterAny(self, number: int) -> None:
        self.callbacks.pop(number, None)

    def _run_events(self) -> None:
        self.host.sleep(0.2)
        pending, self.pending = self.pending, []
        for word in pending:
            name, alias = word.split(" ")
            domain = Domain(self, name)
            if not self.refuses:
                domain.remove(LIVE, alias)
            event = REMOVAL_FAILED if self.refuses else REMOVED
            for wanted, callback in list(self.callbacks.values()):
                if wanted == event:
                    callback(self, domain, alias, None)

    def _agent(self, domain: Domain, words: str, timeout_s: int, flags: int) -> str:
        """The agent in a guest: its answers to the questions that are asked of it."""
        asked = json.loads(words)
        if not self.agent:
            raise LibvirtError("Guest agent is not responding: QEMU guest agent is not connected", 86)
        answers = {
            "guest-ping": lambda: {},
            "guest-network-get-interfaces": lambda: [
                {"name": name, "hardware-address": mac} for name, mac, _ in domain.seen(interfaces=True)
            ],
            "guest-exec": lambda: {"pid": 1 if "class/net" in asked["arguments"]["arg"][-1] else 2},
            "guest-exec-status": lambda: {"exited": True, "exitcode": 0, "out-data": self._listed(domain, asked)},
        }
        return json.dumps({"return": answers[asked["execute"]]()})

    @staticmethod
    def _listed(domain: Domain, asked: dict[str, Any]) -> str:
        if asked["arguments"]["pid"] == 1:
            lines = [f"{name} {address}" for name, _, address in domain.seen(interfaces=True)]
        else:
            lines = [f"{address} igbvf" for _, _, address in domain.seen(interfaces=False)]
        return base64.b64encode("\n".join(lines).encode()).decode()

    # What it does to VFs.

    def fault(self, operation: str, where: str) -> None:
        self.host._operate()
        text = self.faults.get((operation, where))
        if text:
            raise LibvirtError(text)

    def vf(self, device: ElementTree.Element) -> tuple[int, str]:
        at = device.find("source/address")
        assert at is not None
        address = "{:04x}:{:02x}:{:02x}.{:x}".format(
            *(int(at.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function"))
        )
        return next(index for index in self.card.vfs if self.card.vf(index) == address), address

    def take(self, device: ElementTree.Element) -> None:
        index, address = self.vf(device)
        vf = self.card.vfs[index]
        driver = self.host.link_name(f"{PCI}/{address}/driver")
        saved = f"{vf['address']} {vf['vlan_list'][0]['vlan']} {driver}"
        self.host.plant(f"{SAVED}/{address}", saved)
        if driver != "vfio-pci":
            self.card._release(address)
            self.host.plant(f"{PCI}/{address}/driver_override", "vfio-pci\n")
            self.card._take(address, "vfio-pci")
        mac, tag = device.find("mac"), device.find("vlan/tag")
        assert mac is not None
        vf["address"], vf["vlan_list"] = (
            mac.get("address"),
            [{"vlan": int(tag.get("id", 0)) if tag is not None else 0, "qos": 0}],
        )
        self.card.changed()

    def give_back(self, device: ElementTree.Element) -> None:
        index, address = self.vf(device)
        mac, vlan, driver = (self.host.read(f"{SAVED}/{address}") or "").split()
        self.card.vfs[index].update(address=mac, vlan_list=[{"vlan": int(vlan), "qos": 0}])
        if driver != "vfio-pci":
            self.card._release(address)
            self.host.plant(f"{PCI}/{address}/driver_override", "(null)\n")
            self.card._take(address, driver)
        self.host.unlink(f"{SAVED}/{address}")
        self.card.changed()


class Domain:
    """A guest, by the files that libvirt keeps of it."""

    def __init__(self, libvirt: FakeLibvirt, name: str) -> None:
        self.libvirt, self._name = libvirt, name

    def name(self) -> str:
        return self._name

    def UUIDString(self) -> str:
        return self.tree(LIVE if self.isActive() else CONFIG).findtext("uuid", "")

    def isActive(self) -> int:
        return int(self.libvirt.host.exists(f"{RUNNING}/{self._name}.xml"))

    def isPersistent(self) -> int:
        return int(self.libvirt.host.exists(f"{DEFINED}/{self._name}.xml"))

    def state(self) -> list[int]:
        text = self.libvirt.host.read(f"{RUNNING}/{self._name}.xml") or ""
        return [3 if "state='paused'" in text or 'state="paused"' in text else 1, 0]

    def XMLDesc(self, flags: int) -> str:
        return ElementTree.tostring(self.tree(CONFIG if flags & 2 or not self.isActive() else LIVE), encoding="unicode")

    def attachDeviceFlags(self, xml: str, flags: int) -> None:
        where = "live" if flags == LIVE else "config"
        self.libvirt.fault("attach", where)
        tree, device = self.tree(flags), ElementTree.fromstring(xml)
        if device.find("address") is None:
            used = {int(at.get("bus", "0"), 0) for at in tree.findall("devices/*/address[@type='pci']")}
            ports = {int(one.get("index", "0")) for one in tree.findall("devices/controller[@model='pcie-root-port']")}
            free = sorted(ports - used)
            if not free and flags == LIVE:
                raise LibvirtError("internal error: No more available PCI slots")
            if not free:
                free = [max(ports, default=0) + 1]
                devices = tree.find("devices")
                assert devices is not None
                ElementTree.SubElement(devices, "controller", type="pci", index=str(free[0]), model="pcie-root-port")
            ElementTree.SubElement(
                device, "address", type="pci", domain="0x0000", bus=f"0x{free[0]:02x}", slot="0x00", function="0x0"
            )
        devices = tree.find("devices")
        assert devices is not None
        devices.append(device)
        if flags == LIVE and device.get("type") == "hostdev":
            self.libvirt.take(device)
        self.store(flags, tree)
        self.libvirt.fault("attached", where)

    def detachDeviceFlags(self, xml: str, flags: int) -> None:
        self.libvirt.fault("detach", "config")
        alias = ElementTree.fromstring(xml).find("alias")
        assert flags == CONFIG and alias is not None
        self.remove(CONFIG, str(alias.get("name")))

    def detachDeviceAlias(self, alias: str, flags: int) -> None:
        self.libvirt.fault("detach", "live")
        assert flags == LIVE
        if not self.isActive():
            raise LibvirtError("domain is not running", 55)
        if not self.libvirt.silent:
            self.libvirt.pending.append(f"{self._name} {alias}")

    def seen(self, *, interfaces: bool) -> list[tuple[str, str, str]]:
        """Name, MAC address and PCI address of each network device, as the guest sees them."""
        found = []
        for number, device in enumerate(self.tree(LIVE).findall("devices/interface")):
            ours = device.get("type") == "hostdev"
            if ours and (self.libvirt.blind or (interfaces and self.libvirt.netless)):
                continue
            mac, at = device.find("mac"), device.find("address")
            assert mac is not None and at is not None
            found.append((f"eth{number}", str(mac.get("address")), f"0000:{int(at.get('bus', '0'), 0):02x}:00.0"))
        return found

    def destroy(self) -> None:
        self.libvirt.stop(self._name)

    def remove(self, flags: int, alias: str) -> None:
        tree = self.tree(flags)
        devices = tree.find("devices")
        assert devices is not None
        for device in list(devices):
            name = device.find("alias")
            if name is not None and name.get("name") == alias:
                devices.remove(device)
                if flags == LIVE and device.get("type") == "hostdev":
                    self.libvirt.give_back(device)
        self.store(flags, tree)

    def tree(self, flags: int) -> ElementTree.Element:
        host = self.libvirt.host
        if flags == LIVE:
            found = ElementTree.fromstring(host.read(f"{RUNNING}/{self._name}.xml") or "").find("domain")
        else:
            found = ElementTree.fromstring(host.read(f"{DEFINED}/{self._name}.xml") or "")
        assert found is not None
        return found

    def store(self, flags: int, tree: ElementTree.Element) -> None:
        host, text = self.libvirt.host, ElementTree.tostring(tree, encoding="unicode")
        if flags == LIVE:
            text = f"<domstatus state='running' pid='900'>{text}</domstatus>"
        host.plant(f"{RUNNING if flags == LIVE else DEFINED}/{self._name}.xml", text)
