# SPDX-License-Identifier: Apache-2.0
"""What is missing, broken or odd becomes null and a note; nothing crashes and nothing is invented."""

from __future__ import annotations

import contextlib
import json
import random
import re
from pathlib import Path

import pytest
from ansible.module_utils import nfvcap_settled
from ansible.module_utils.nfvcap_carriers import read_carriers
from ansible.module_utils.nfvcap_command import Completed, run
from ansible.module_utils.nfvcap_links import Links
from ansible.module_utils.nfvcap_machine import Machine
from ansible.module_utils.nfvcap_numbers import parse_list, parse_mask
from ansible.module_utils.nfvcap_root import Root
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nfvcap.model.facts import Facts
from tests.fixtures.tree import HOSTS, NAMES, PlantedMachine, host, plant


def test_an_empty_machine_has_facts(tmp_path: Path) -> None:
    facts = PlantedMachine(tmp_path).facts(packages=("a",), units=("b.service",), files=("/c",))
    assert facts.nics == ()
    assert (facts.iommu.in_acpi, facts.iommu.enabled, facts.iommu.interrupt_remapping) == (None, False, None)
    assert (facts.cmdline.boot_loader, facts.cmdline.configured) == ("unknown", None)
    assert (facts.os.virtualisation, facts.os.family) == ("unknown", "other")
    assert (facts.packages, facts.units, facts.files) == ({"a": None}, {}, {"/c": None})
    for word in ("os-release", "grub.cfg", "ACPI", "ssh connection", "virtual machine", "package manager", "systemd"):
        assert any(word in note for note in facts.notes), word


class Booting(Machine):
    """A machine of which systemd says so many times that a unit is still being started."""

    def __init__(self, times: int) -> None:
        super().__init__("/")
        self.times, self.asked = times, 0

    def listdir(self, path: str) -> list[str]:
        return ["nfvcap-sriov.service"]

    def run(self, argv: list[str]) -> Completed:
        assert argv[:2] == ["systemctl", "list-jobs"]
        self.asked += 1
        said = "182 nfvcap-sriov.service start running\n" if self.asked <= self.times else ""
        return Completed(argv, 0, said)


def test_a_machine_that_still_boots_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfvcap_settled, "_PAUSE_S", 0.01)
    machine = Booting(3)
    nfvcap_settled.wait_for_own_units(machine)
    assert machine.asked == 4 and machine.problems == []
    machine = Booting(10**6)
    nfvcap_settled.wait_for_own_units(machine, limit_s=0.05)
    assert machine.problems == [
        "start nfvcap-sriov.service still to be done: what nfvcap sets at boot may not be there yet"
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(12))
def test_any_file_may_be_missing_empty_or_garbage(name: str, seed: int, tmp_path: Path) -> None:
    """A third of all entries goes away or loses its sense; the document stays valid."""
    chance = random.Random(seed)
    entries = re.split(r"(?m)^(?=[=:x>/$@])", (HOSTS / f"{name}.tree").read_text())
    kept = []
    for entry in filter(str.strip, entries):
        kind, path = entry.split()[:2]
        kept.append(entry)
        if kind in ("=", ":"):
            other = ["", f"= {path} \n", f"= {path} garbage \u20ac {{\n"]
            kept[-1] = chance.choice([*other, *[entry] * 6])
        elif chance.randrange(6) == 0:
            kept.pop()
    machine = plant("".join(kept), tmp_path)
    facts = machine.facts(packages=("a",), units=("b.service",), kernel_modules=("kvm",))
    assert Facts.from_json(facts.to_json()) == facts


@pytest.mark.parametrize("name", NAMES)
def test_programs_may_fail_or_talk_nonsense(name: str, tmp_path: Path) -> None:
    machine = host(name, tmp_path)
    for line in list(machine.answers):
        machine.answer(line, "no JSON at all {", 0)
    facts = machine.facts(packages=("a",), units=("b.service",))
    assert any("no JSON" in note for note in facts.notes)
    machine = host(name, tmp_path / "again")
    machine.answers.clear()
    assert not any(one.carries for one in machine.facts().nics)


def test_a_file_without_permission_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Root(str(tmp_path))
    (tmp_path / "secret").mkdir()
    assert root.read("/secret") is None
    assert root.problems == ["cannot read /secret: Is a directory"]
    root.read("/secret")
    assert len(root.problems) == 1


def test_a_number_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("eleven\n")
    root = Root(str(tmp_path))
    assert root.number("/n") is None
    assert root.number("/absent") is None
    assert root.problems == ["/n holds 'eleven', not a number"]


def test_paths_must_be_absolute() -> None:
    with pytest.raises(ValueError, match="absolute"):
        Root().real("etc/passwd")


def test_a_kernel_without_numa(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/sys/devices/system/cpu/online", "0\n")
    machine.put("/proc/meminfo", "MemTotal: 2048 kB\nMemFree: 1024 kB\nSReclaimable: 4 kB\nHugepagesize: 2048 kB\n")
    machine.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "3\n")
    facts = machine.facts()
    assert [(node.id, node.memory_total_bytes, node.distances) for node in facts.nodes] == [(0, 2 << 20, (10,))]
    assert facts.nodes[0].memory_available_bytes == 1028 << 10
    assert facts.nodes[0].hugepages[0].total == 3
    assert facts.cpu.cpus[0].node == 0


@pytest.mark.parametrize(
    ("info", "family"),
    [
        ("ID=ubuntu\nID_LIKE=debian", "debian"),
        ('ID="almalinux"', "redhat"),
        ('ID="opensuse-leap"', "suse"),
        ("ID=x", "other"),
    ],
)
def test_families(info: str, family: str, tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/usr/lib/os-release", info + "\n")
    assert machine.facts().os.family == family


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"Lang-8be4df61-93ca-11d2-aa0d-00e098032b8c": b"\6\0\0\0de"}, False),
        ({"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": b"\6\0\0\0\0"}, False),
        ({"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": b"\6\0\0\0\1"}, True),
        ({"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": b""}, None),
    ],
)
def test_secure_boot(variables: dict[str, bytes], expected: bool | None, tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/sys/firmware/efi/systab", "")
    for name, data in variables.items():
        machine.put(f"/sys/firmware/efi/efivars/{name}", data)
    facts = machine.facts()
    assert facts.security.secure_boot is expected
    assert any("SecureBoot" in note for note in facts.notes) == (expected is None)


def test_a_package_name_that_others_provide_is_not_installed(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/etc/os-release", "ID=debian\n")
    line = "dpkg-query -W -f ${Package}\\t${db:Status-Status}\\t${Version}\\n qemu-kvm"
    machine.answer(line, "qemu-kvm\tnot-installed\t\n", 1)
    assert machine.facts(packages=("qemu-kvm",)).packages == {"qemu-kvm": None}
    assert machine.asked.count(line) == 1


@pytest.mark.parametrize(("value", "expected"), [("-1", None), ("4294967295", None), ("25000", 25000), (None, None)])
def test_link_speed(value: str | None, expected: int | None, tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    speed = Path(machine.real("/sys/class/net/eno1/speed"))
    speed.unlink()
    if value:
        speed.write_text(value + "\n")
    assert next(nic for nic in machine.facts().nics if nic.name == "eno1").speed_mbps == expected


class TestSsh:
    """The i40e machine has ssh on a bridge; here it comes in other ways."""

    @staticmethod
    def carried(machine: PlantedMachine) -> set[str]:
        return {nic.address for nic in machine.facts().nics if "ssh" in nic.carries}

    def test_answers_leave_through_another_port(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        route = "ip -j route get 192.0.2.99 from 192.0.2.20"
        machine.answer(route, '[{"dst": "192.0.2.99", "dev": "enp59s0f1"}]')
        assert self.carried(machine) == {"0000:02:00.0", "0000:02:00.1", "0000:3b:00.1"}

    def test_address_on_loopback_of_a_routed_fabric(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.me = (1, "192.0.2.99 50022 203.0.113.9 22")
        links = json.loads(machine.answers["ip -j -d address show"].stdout)
        links[0]["addr_info"].append({"family": "inet", "local": "203.0.113.9"})
        machine.answer("ip -j -d address show", json.dumps(links))
        machine.answer("ip -j route get 192.0.2.99 from 203.0.113.9", '[{"dev": "enp59s0f0"}]')
        assert self.carried(machine) == {"0000:3b:00.0"}

    def test_link_local_names_its_interface(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.me = (1, "fe80::1%enp59s0f0 50022 fe80::2%enp59s0f0 22")
        assert self.carried(machine) == {"0000:3b:00.0"}

    def test_mapped_address(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.me = (1, "::ffff:192.0.2.99 50022 ::ffff:192.0.2.20 22")
        assert self.carried(machine) == {"0000:02:00.0", "0000:02:00.1"}

    @pytest.mark.parametrize("connection", ["127.0.0.1 1 127.0.0.1 22", "192.0.2.20 1 192.0.2.20 22", "x y z"])
    def test_from_the_machine_itself(self, connection: str, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.me = (1, connection)
        assert self.carried(machine) == set()

    def test_an_address_that_no_interface_has_is_noted(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.me = (1, "192.0.2.99 1 203.0.113.1 22")
        assert any("no interface has the address" in note for note in machine.facts().notes)

    def test_ipv4_out_of_the_table_of_connections(self, tmp_path: Path) -> None:
        machine = host("ice-rhel9", tmp_path)
        Path(machine.real("/proc/net/tcp6")).unlink()
        line = "   1: 0A0200C0:0016 630200C0:C350 01 00000000:00000000 02:000AD1B0 00000000     0        0 4711 4 0"
        machine.put("/proc/net/tcp", "  sl  local_address rem_address\n" + line + "\n")
        links = json.loads(machine.answers["ip -j -d address show"].stdout)
        links[1]["addr_info"] = [{"family": "inet", "local": "192.0.2.10"}]
        machine.answer("ip -j -d address show", json.dumps(links))
        assert self.carried(machine) == {"0000:17:00.0"}
        assert "ip -j route get 192.0.2.99 from 192.0.2.10" in machine.asked

    def test_interfaces_that_lead_in_a_circle(self, tmp_path: Path) -> None:
        machine = host("i40e-bond", tmp_path)
        machine.put("/sys/class/net/bond0/lower_br0/x", "")
        assert self.carried(machine) == {"0000:02:00.0", "0000:02:00.1"}


class TestVirtual:
    def test_virtio_and_usb(self, tmp_path: Path) -> None:
        """A virtio interface belongs to its PCI device; a USB one has a PCI controller above it, which is no NIC."""
        machine = PlantedMachine(tmp_path)
        machine.put("/sys/bus/pci/devices/0000:00:03.0/class", "0x020000\n")
        machine.put("/sys/bus/pci/devices/0000:00:14.0/class", "0x0c0330\n")
        machine.link("/sys/class/net/eth0", "../../devices/pci0000:00/0000:00:03.0/virtio1/net/eth0")
        machine.link("/sys/class/net/usb0", "../../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/net/usb0")
        links = [{"ifname": "eth0", "flags": ["UP"]}, {"ifname": "usb0", "addr_info": [{"local": "192.0.2.1"}]}]
        machine.answer("ip -j -d address show", json.dumps(links))
        machine.answer("ip -j route get 192.0.2.9 from 192.0.2.1", '[{"dev": "usb0"}]')
        machine.me = (1, "192.0.2.9 1 192.0.2.1 22")
        facts = machine.facts()
        assert [(nic.name, nic.carries) for nic in facts.nics] == [("eth0", ())]
        assert any("ssh goes through usb0" in note for note in facts.notes)

    def test_two_ports_on_one_function(self, tmp_path: Path) -> None:
        machine = PlantedMachine(tmp_path)
        for name, port in (("b", 0), ("a", 1)):
            machine.link(f"/sys/class/net/{name}", f"../../devices/pci0000:00/0000:00:05.0/net/{name}")
            machine.put(f"/sys/class/net/{name}/dev_port", f"{port}\n")
        machine.put("/sys/bus/pci/devices/0000:00:05.0/class", "0x020000\n")
        assert [nic.name for nic in machine.facts().nics] == ["b"]


def test_a_vf_whose_index_is_above_nine_stays_in_order(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    folder = "/sys/bus/pci/devices/0000:05:00.0"
    machine.put(f"{folder}/class", "0x020000\n")
    machine.put(f"{folder}/sriov_totalvfs", "63\n")
    for index in range(12):
        machine.link(
            f"{folder}/virtfn{index}", f"../0000:05:10.{index % 8}" if index < 8 else f"../0000:05:11.{index - 8}"
        )
    sriov = machine.facts().nics[0].sriov
    assert sriov is not None
    assert [vf.index for vf in sriov.vfs] == list(range(12))
    assert {vf.mac for vf in sriov.vfs} == {None}


def test_processes_are_only_searched_for_devices_on_vfio(tmp_path: Path) -> None:
    machine = host("i40e-bond", tmp_path)
    machine.put("/proc/77/fd/1", "")
    listed: list[str] = []
    original = machine.listdir
    machine.listdir = lambda path: listed.append(path) or original(path)  # type: ignore[func-returns-value,method-assign]
    machine.facts()
    assert "/proc" not in listed


def test_a_nic_that_is_driven_through_vfio_itself_has_a_holder(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    driver = Path(machine.real("/sys/bus/pci/devices/0000:03:00.1/driver"))
    driver.unlink()
    driver.symlink_to("../../../../bus/pci/drivers/vfio-pci")
    Path(machine.real("/proc/901/fd/13")).symlink_to("/dev/vfio/41")
    holder = next(nic for nic in machine.facts().nics if nic.address == "0000:03:00.1").holder
    assert holder is not None and (holder.kind, holder.name) == ("vfio", "dpdk-testpmd")


def test_a_broken_guest_definition_is_noted(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    machine.put("/etc/libvirt/qemu/broken.xml", "<domain><name>x</nam")
    facts = machine.facts()
    assert [guest.name for guest in facts.guests] == ["vm1", "vm2"]
    assert any("broken.xml is no XML" in note for note in facts.notes)


def test_a_guest_that_runs_without_being_defined(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    Path(machine.real("/etc/libvirt/qemu/vm1.xml")).unlink()
    running = machine.real("/run/libvirt/qemu/vm1.xml")
    Path(running).write_text(Path(running).read_text().replace("state='running'", "state='paused'"))
    guest = machine.facts().guests[0]
    assert (guest.state, guest.persistent) == ("paused", False)


def test_device_out_of_a_network_s_pool(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/proc/5/comm", "qemu\n")
    address = "<address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/>"
    actual = f"<actual type='hostdev'><source>{address}</source></actual>"
    devices = f"<devices><interface type='network'>{actual}</interface></devices>"
    domain = f"<domain><name>v</name><uuid>u</uuid><memory unit='MiB'>1</memory>{devices}</domain>"
    machine.put("/run/libvirt/qemu/v.xml", f"<domstatus state='running' pid='5'>{domain}</domstatus>")
    assert machine.facts().guests[0].hostdevs == ("0000:3b:02.1",)


def test_a_ledger_that_is_no_json_is_noted(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/var/lib/nfvcap/ledger.json", "[1")
    assert any("ledger.json is no JSON" in note for note in machine.facts().notes)
    machine.put("/var/lib/nfvcap/ledger.json", "[]")
    assert machine.facts().ledger is None


def test_big_and_binary_files_keep_their_digest_only(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    machine.put("/a", b"\xff\xfe")
    machine.put("/b", b"x" * ((64 << 10) + 1))
    files = machine.facts(files=("/a", "/b")).files
    for kept in files.values():
        assert kept is not None and kept.content is None and len(kept.sha256) == 64


def test_programs_are_not_run_for_a_planted_tree(tmp_path: Path) -> None:
    done = Machine(str(tmp_path)).run(["true"])
    assert (done.status, done.ok) == (127, False)


@pytest.mark.parametrize(("argv", "status"), [(["true"], 0), (["false"], 1), (["/nonesuch"], 127)])
def test_a_program_never_raises(argv: list[str], status: int) -> None:
    assert run(argv).status == status


def test_a_program_that_hangs_is_stopped() -> None:
    assert run(["sleep", "30"], timeout_s=0.05).status == 124


def test_this_machine_can_be_read_for_real() -> None:
    """No fixture: whatever runs the tests has facts, too."""
    from ansible.module_utils.nfvcap_gather import gather

    facts = Facts.model_validate(gather(Machine(), ["bash"], ["/etc/os-release"], [], ["nonesuch"]))
    assert facts.cpu.cpus and facts.nodes and facts.cmdline.running
    assert read_carriers(Machine(), Links(Machine()), set()).roles == {}


@given(st.sets(st.integers(0, 400), max_size=40))
def test_lists_and_masks_are_read_back(numbers: set[int]) -> None:
    text = ",".join(map(str, sorted(numbers)))
    assert parse_list(text) == sorted(numbers)
    mask = sum(1 << number for number in numbers)
    groups = [f"{mask >> shift & 0xFFFFFFFF:08x}" for shift in range(384, -1, -32)]
    assert parse_mask(",".join(groups)) == sorted(numbers)


@settings(max_examples=50)
@example("0-9999999999")
@example("9999999999")
@example("^0-9999999999")
@given(st.text(alphabet="0123456789-,^ abc", max_size=12))
def test_lists_are_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_list(text) == sorted(set(parse_list(text)))


def test_records_of_driverctl_are_told_by_address(tmp_path: Path) -> None:
    machine = PlantedMachine(tmp_path)
    assert machine.facts().driverctl == {}
    folder = tmp_path / "etc/driverctl.d"
    folder.mkdir(parents=True)
    (folder / "pci-0000:81:10.0").write_text("vfio-pci\n")
    (folder / "vmbus-1234").write_text("uio_hv_generic\n")
    assert machine.facts().driverctl == {"0000:81:10.0": "vfio-pci"}
