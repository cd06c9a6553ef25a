# SPDX-License-Identifier: Apache-2.0
"""Domain XML: the same as what was looked at once (golden), accepted by libvirt's own schema, and true to the plan."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nfvcap.guest.domain import domain_xml, network_mac
from nfvcap.model.plan import GuestBoot, GuestMachine, GuestPlacement

GOLDEN = Path(__file__).parent / "golden"
TINY = GuestBoot(kernel="/srv/guest.vmlinux", initrd="/srv/guest.initrd", disk=None, size_bytes=None, ssh_keys=())
CLOUD = GuestBoot(kernel=None, initrd=None, disk="/srv/debian.qcow2", size_bytes=None, ssh_keys=())


def machine(**changes: Any) -> GuestMachine:
    plain = {
        "uuid": "26304ac1-21c1-53cd-bee4-02292a29c30c", "cpu": "host-passthrough", "viommu": True,
        "vf_slots": tuple(f"0000:{bus:02x}:00.0" for bus in range(1, 5)), "network": None,
        "kernel_args": ("intel_iommu=on", "iommu=pt"), "boot": TINY,
    }  # fmt: skip
    return GuestMachine.model_validate(plain | changes)


def placement(**changes: Any) -> GuestPlacement:
    """A guest with two vCPUs on node 1; keys that the placement has not are those of its machine."""
    own = {key: changes.pop(key) for key in list(changes) if key in GuestPlacement.model_fields}
    plain: dict[str, Any] = {
        "name": "vm3", "node": 1, "vcpu_pins": {0: 8, 1: 9}, "emulator_cpus": (5,), "memory_bytes": 512 << 20,
        "hugepage_size_bytes": 2 << 20, "vfs": ("0000:81:00.0:vf2",),
    }  # fmt: skip
    return GuestPlacement.model_validate(plain | {"machine": machine(**changes)} | own)


SHAPES = {
    "lab": placement(cpu="Westmere"),
    "cloud": placement(boot=CLOUD, network="default", vf_slots=("0000:01:00.0",)),
    "plain": placement(viommu=False, boot=None, hugepage_size_bytes=1 << 30, memory_bytes=4 << 30),
    "many-slots": placement(vf_slots=tuple(f"0000:{bus:02x}:00.0" for bus in range(1, 17)), vcpu_pins={0: 4}),
    "odd-words": placement(name="a+b.c_d", kernel_args=("x=<&>",)),
}


@pytest.mark.parametrize("name", ["lab", "cloud"])
def test_the_definition_is_the_golden_one(name: str) -> None:
    assert domain_xml("host1", SHAPES[name]) == (GOLDEN / f"{name}.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SHAPES)
def test_libvirt_schema_accepts_it(name: str, tmp_path: Path) -> None:
    if shutil.which("virt-xml-validate") is None:
        pytest.fail("virt-xml-validate is missing: run tools/install test")
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml("host1", SHAPES[name]), encoding="utf-8")
    done = subprocess.run(["virt-xml-validate", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def parsed(**changes: Any) -> ElementTree.Element:
    return ElementTree.fromstring(domain_xml("host1", placement(**changes)))


def test_memory_is_strictly_on_the_planned_node_in_planned_pages() -> None:
    tree = parsed()
    page = tree.find("memoryBacking/hugepages/page")
    assert page is not None and (page.get("size"), page.get("unit")) == ("2048", "KiB")
    for element in (tree.find("numatune/memory"), tree.find("numatune/memnode")):
        assert element is not None and (element.get("mode"), element.get("nodeset")) == ("strict", "1")
    assert tree.findtext("memory") == str(512 << 10)


def test_every_vcpu_is_pinned_and_the_emulator_is_elsewhere() -> None:
    tree = parsed()
    pins = {pin.get("vcpu"): pin.get("cpuset") for pin in tree.findall("cputune/vcpupin")}
    assert pins == {"0": "8", "1": "9"}
    emulator = tree.find("cputune/emulatorpin")
    assert emulator is not None and emulator.get("cpuset") == "5"


def test_ports_stand_in_the_order_in_which_firmware_numbers_their_buses() -> None:
    tree = parsed(vf_slots=tuple(f"0000:{bus:02x}:00.0" for bus in range(1, 11)))
    ports = tree.findall("devices/controller[@model='pcie-root-port']")
    places = []
    for port in ports:
        address = port.find("address")
        assert address is not None
        places.append((int(address.get("slot", ""), 16), int(address.get("function", ""), 16)))
    assert places == sorted(places) and len(set(places)) == 10
    assert [port.get("index") for port in ports] == [str(index) for index in range(1, 11)]


def test_a_guest_without_viommu_has_nothing_of_it() -> None:
    tree = parsed(viommu=False)
    assert tree.find("devices/iommu") is None and tree.find("features/ioapic") is None


def test_the_management_mac_is_unicast_and_the_guest_s_own() -> None:
    first, second = network_mac("a"), network_mac("b")
    assert first != second and first == network_mac("a")
    assert first.startswith("52:54:00:")
