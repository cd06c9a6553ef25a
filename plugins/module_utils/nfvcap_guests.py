# SPDX-License-Identifier: Apache-2.0
"""libvirt guests of a machine, from the XML that libvirt keeps: defined ones in /etc, running ones in /run.

The files are read instead of asking the daemon: no library is needed, no socket-activated daemon is started by a mere
look, and it works while the daemon is down. libvirt saves a running guest's state at every change, hot-plugged devices
included. Guests of `qemu:///session` belong to a user and are not seen.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from .nfvcap_machine import Machine
from .nfvcap_memory import default_page_size
from .nfvcap_numbers import parse_list

_DEFINED = "/etc/libvirt/qemu"
_RUNNING = "/run/libvirt/qemu"
_STATES = {"running": "running", "paused": "paused", "shutoff": "shutoff", "crashed": "shutoff"}
_KIB = 1 << 10
_UNITS = {"b": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS.update({"k": _KIB, "kib": _KIB, "m": _KIB**2, "mib": _KIB**2, "g": _KIB**3, "gib": _KIB**3})
_UNITS.update({"t": _KIB**4, "tib": _KIB**4})


def read_guests(machine: Machine) -> list[dict[str, Any]]:
    """The part `guests` of the facts, by name."""
    defined = {tree.findtext("name", ""): tree for tree in _trees(machine, _DEFINED)}
    guests = [_guest(machine, tree, "shutoff", True) for tree in defined.values()]
    for status in _trees(machine, _RUNNING):
        domain = status.find("domain")
        if domain is None or not _alive(machine, status):
            continue
        name = domain.findtext("name", "")
        state = _STATES.get(status.get("state", ""), "other")
        guests.append(_guest(machine, domain, state, name in defined))
    found = {guest["name"]: guest for guest in guests if guest}  # what runs comes last and counts
    return [found[name] for name in sorted(found)]


def devices_of_guests(machine: Machine) -> dict[str, set[str]]:
    """UUID → PCI addresses of the devices that a guest has now or is to have at its next start."""
    found: dict[str, set[str]] = {}
    running = [status.find("domain") for status in _trees(machine, _RUNNING) if _alive(machine, status)]
    for domain in [*_trees(machine, _DEFINED), *(domain for domain in running if domain is not None)]:
        found.setdefault(domain.findtext("uuid", ""), set()).update(_hostdevs(domain))
    return found


def _trees(machine: Machine, folder: str) -> list[ElementTree.Element]:
    trees = []
    for name in machine.listdir(folder):
        text = machine.read_bytes(f"{folder}/{name}") if name.endswith(".xml") else None
        try:
            trees += [ElementTree.fromstring(text)] if text else []
        except ElementTree.ParseError as error:
            machine.problem(f"{folder}/{name} is no XML: {error}")
    return trees


def _alive(machine: Machine, status: ElementTree.Element) -> bool:
    """A state file outlives a QEMU that died while libvirt was down."""
    pid = status.get("pid", "")
    if machine.exists(f"/proc/{pid or 'unknown'}"):
        return True
    name = status.findtext("domain/name", "?")
    machine.problem(f"libvirt remembers guest {name} as running, but its process {pid} is gone")
    return False


def _guest(machine: Machine, domain: ElementTree.Element, state: str, persistent: bool) -> dict[str, Any] | None:
    try:
        return {**_definition(machine, domain), "state": state, "persistent": persistent}
    except (ValueError, KeyError) as error:
        machine.problem(f"the definition of guest {domain.findtext('name', '?')} is not understood: {error}")
        return None


def _definition(machine: Machine, domain: ElementTree.Element) -> dict[str, Any]:
    vcpu = domain.find("vcpu")
    vcpus = int(vcpu.text or 1) if vcpu is not None else 1
    everywhere = vcpu.get("cpuset") if vcpu is not None else None
    pins = {str(number): parse_list(everywhere) for number in range(vcpus)} if everywhere else {}
    for pin in domain.findall("cputune/vcpupin"):
        pins[pin.get("vcpu", "0")] = parse_list(pin.get("cpuset"))
    emulator = domain.find("cputune/emulatorpin")
    memory_nodes: set[int] = set()
    for element in [*domain.findall("numatune/memory"), *domain.findall("numatune/memnode")]:
        memory_nodes.update(parse_list(element.get("nodeset")))
    return {
        "name": domain.findtext("name", ""),
        "uuid": domain.findtext("uuid", ""),
        "vcpus": vcpus,
        "memory_bytes": _size(domain.find("memory")),
        "vcpu_pins": pins,
        "emulator_pins": parse_list(emulator.get("cpuset")) if emulator is not None else [],
        "memory_nodes": sorted(memory_nodes),
        "hugepage_size_bytes": _page_size(machine, domain),
        "hostdevs": _hostdevs(domain),
    }


def _size(element: ElementTree.Element | None) -> int:
    if element is None:
        return 0
    return int(element.text or 0) * _UNITS[element.get("unit", "KiB").lower()]


def _page_size(machine: Machine, domain: ElementTree.Element) -> int | None:
    """Huge pages without a size are of the machine's default size."""
    if domain.find("memoryBacking/hugepages") is None:
        return None
    page = domain.find("memoryBacking/hugepages/page")
    if page is None:
        return default_page_size(machine)
    return int(page.get("size", 0)) * _UNITS[page.get("unit", "KiB").lower()]


def _hostdevs(domain: ElementTree.Element) -> list[str]:
    """PCI devices given to the guest: `<hostdev>`, `<interface type='hostdev'>`, and those out of a network's pool."""
    sources = [
        *domain.findall("devices/hostdev[@type='pci']/source"),
        *domain.findall("devices/interface[@type='hostdev']/source"),
        *domain.findall("devices/interface/actual[@type='hostdev']/source"),
    ]
    addresses = [source.find("address") for source in sources]
    return sorted({_pci(address) for address in addresses if address is not None})


def _pci(address: ElementTree.Element) -> str:
    parts = [int(address.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)
