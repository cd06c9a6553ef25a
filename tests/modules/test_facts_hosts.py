# SPDX-License-Identifier: Apache-2.0
"""Whole machines: what the facts say of each fixture (their first lines tell where they come from)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nfvcap.model.facts import Facts, Nic, Vf
from tests.fixtures.tree import NAMES, host

MEBIBYTE, GIBIBYTE = 1 << 20, 1 << 30


def nic(facts: Facts, address: str) -> Nic:
    return next(one for one in facts.nics if one.address == address)


def vfs(facts: Facts, address: str) -> tuple[Vf, ...]:
    sriov = nic(facts, address).sriov
    assert sriov is not None
    return sriov.vfs


@pytest.mark.parametrize("name", NAMES)
def test_every_machine_can_be_read_and_travels_as_json(name: str, tmp_path: Path) -> None:
    facts = host(name, tmp_path).facts()
    assert Facts.from_json(facts.to_json()) == facts
    assert len({one.address for one in facts.nics}) == len(facts.nics)


@pytest.mark.parametrize("name", NAMES)
def test_few_programs_are_run(name: str, tmp_path: Path) -> None:
    machine = host(name, tmp_path)
    machine.facts(packages=("a", "b"), units=("c.service", "d.service"))
    switches = [line for line in machine.asked if line.startswith("devlink")]
    # One more where nfvcap's units are: they may still be at work.
    settled = [line for line in machine.asked if line.startswith("systemctl list-jobs")]
    assert len(settled) == (name == "lab-guest"), machine.asked
    assert len(machine.asked) - len(switches) - len(settled) <= 6, machine.asked
    assert len(set(machine.asked)) == len(machine.asked)


@pytest.fixture(scope="module")
def ixgbe(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return host("ixgbe", tmp_path_factory.mktemp("ixgbe")).facts(
        packages=("irqbalance", "libvirt-daemon-system", "nonesuch", "removed"),
        units=("libvirtd.service", "nonesuch.service"),
        kernel_modules=("vfio-pci", "kvm_intel", "pci-stub", "nonesuch"),
    )


@pytest.fixture(scope="module")
def i40e(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return host("i40e-bond", tmp_path_factory.mktemp("i40e")).facts()


@pytest.fixture(scope="module")
def ice(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return host("ice-rhel9", tmp_path_factory.mktemp("ice")).facts(packages=("irqbalance", "qemu-kvm", "nonesuch"))


@pytest.fixture(scope="module")
def mlx5(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return host("mlx5-switchdev", tmp_path_factory.mktemp("mlx5")).facts()


class TestIxgbe:
    def test_system(self, ixgbe: Facts) -> None:
        assert (ixgbe.os.id, ixgbe.os.version, ixgbe.os.family) == ("debian", "12", "debian")
        assert (ixgbe.os.kernel, ixgbe.os.virtualisation) == ("6.1.0-25-amd64", "none")
        assert ixgbe.security.secure_boot is False
        assert ixgbe.security.lockdown == "none"

    def test_threads_know_their_siblings(self, ixgbe: Facts) -> None:
        assert (ixgbe.cpu.vendor, ixgbe.cpu.virt, ixgbe.cpu.page_1g) == ("GenuineIntel", "vmx", True)
        place = {cpu.id: (cpu.socket, cpu.core, cpu.node, cpu.siblings) for cpu in ixgbe.cpu.cpus}
        assert place[2] == (1, 0, 1, (2, 6))
        assert place[7] == (1, 1, 1, (3, 7))
        assert ixgbe.cpu.isolated == ixgbe.cpu.nohz_full == (3, 7)
        assert ixgbe.cpu.irq_affinity == (0, 1, 2, 4, 5, 6)

    def test_memory_and_pages_by_node(self, ixgbe: Facts) -> None:
        node0, node1 = ixgbe.nodes
        assert node0.memory_total_bytes == 32 * GIBIBYTE
        assert node0.memory_available_bytes == (20 + 1) * GIBIBYTE + 512 * MEBIBYTE
        assert node0.distances == (10, 21)
        assert [(page.size_bytes, page.total, page.free) for page in node1.hugepages] == [
            (2 * MEBIBYTE, 512, 256),
            (GIBIBYTE, 0, 0),
        ]

    def test_saved_default_inside_a_submenu(self, ixgbe: Facts) -> None:
        assert ixgbe.cmdline.boot_loader == "grub"
        assert ixgbe.cmdline.config_source == "/boot/grub/grub.cfg"
        assert ixgbe.cmdline.configured == ixgbe.cmdline.running + ' dyndbg="file vfio.c +p"'

    def test_iommu(self, ixgbe: Facts) -> None:
        assert (ixgbe.iommu.in_acpi, ixgbe.iommu.kind, ixgbe.iommu.enabled) == (True, "intel", True)
        assert ixgbe.iommu.interrupt_remapping is True
        assert {group.id: group.devices for group in ixgbe.iommu.groups}[60] == ("0000:03:10.0",)

    def test_port(self, ixgbe: Facts) -> None:
        port = nic(ixgbe, "0000:03:00.0")
        assert (port.name, port.driver, port.vendor_id, port.device_id) == ("enp3s0f0", "ixgbe", "8086", "10fb")
        assert (port.node, port.iommu_group, port.firmware) == (1, 40, "0x800007c7, 1.1876.0")
        assert (port.admin_up, port.link_up, port.speed_mbps) == (True, True, 10000)
        assert port.sriov is not None
        assert (port.sriov.total_vfs, port.sriov.num_vfs, port.sriov.vf_device_id) == (63, 4, "10ed")
        assert (port.sriov.offset, port.sriov.stride) == (128, 2)
        down = nic(ixgbe, "0000:03:00.1")
        assert (down.admin_up, down.link_up, down.speed_mbps) == (False, None, None)

    def test_vf_attributes(self, ixgbe: Facts) -> None:
        first, second, third, _ = vfs(ixgbe, "0000:03:00.0")
        assert first.mac == "02:00:00:00:03:10"
        assert (second.vlan, second.qos, second.max_tx_rate_mbps) == (100, 3, 1000)
        assert (third.trust, third.spoofchk, third.link_state) == (True, False, "enable")

    def test_vf_drivers_and_overrides(self, ixgbe: Facts) -> None:
        found = [(vf.index, vf.address, vf.driver, vf.driver_override) for vf in vfs(ixgbe, "0000:03:00.0")]
        assert found == [
            (0, "0000:03:10.0", "vfio-pci", None),
            (1, "0000:03:10.2", "vfio-pci", "vfio-pci"),
            (2, "0000:03:10.4", None, None),
            (3, "0000:03:10.6", "ixgbevf", None),
        ]

    def test_vf_without_an_interface_here_is_noted(self, ixgbe: Facts) -> None:
        assert any("0000:03:10.6" in note and "namespace" in note for note in ixgbe.notes)
        assert not any("0000:03:10.4" in note for note in ixgbe.notes)

    def test_holders(self, ixgbe: Facts) -> None:
        holders = [vf.holder for vf in vfs(ixgbe, "0000:03:00.0")]
        assert holders[0] is not None and holders[1] is not None
        assert (holders[0].kind, holders[0].name, holders[0].pid) == ("libvirt", "vm1", 900)
        assert (holders[1].kind, holders[1].name, holders[1].pid) == ("vfio", "dpdk-testpmd", 901)
        assert holders[2:] == [None, None]

    def test_vfs_are_listed_as_nics_too(self, ixgbe: Facts) -> None:
        vf = nic(ixgbe, "0000:03:10.0")
        assert (vf.physfn, vf.sriov, vf.driver) == ("0000:03:00.0", None, "vfio-pci")
        assert vf.holder is not None

    def test_ssh_is_found_although_sudo_hides_it(self, ixgbe: Facts) -> None:
        assert nic(ixgbe, "0000:01:00.0").carries == ("ssh", "default-route")
        assert [one.address for one in ixgbe.nics if one.carries] == ["0000:01:00.0"]

    def test_guests(self, ixgbe: Facts) -> None:
        vm1, vm2 = ixgbe.guests
        assert (vm1.state, vm1.persistent, vm1.vcpus, vm1.memory_bytes) == ("running", True, 2, 2 * GIBIBYTE)
        assert (vm1.vcpu_pins, vm1.emulator_pins) == ({0: (2,), 1: (3,)}, (6, 7))
        assert (vm1.memory_nodes, vm1.hugepage_size_bytes) == ((1,), 2 * MEBIBYTE)
        assert vm1.hostdevs == ("0000:03:10.0",)
        assert (vm2.state, vm2.memory_bytes, vm2.hugepage_size_bytes) == ("shutoff", GIBIBYTE, 2 * MEBIBYTE)
        assert (vm2.vcpu_pins, vm2.memory_nodes, vm2.hostdevs) == ({0: (0, 1, 3)}, (0, 1), ("0000:03:10.2",))
        assert any("guest vm3" in note and "gone" in note for note in ixgbe.notes)

    def test_packages_units_modules(self, ixgbe: Facts) -> None:
        assert ixgbe.packages == {
            "irqbalance": "1.9.2-1",
            "libvirt-daemon-system": "9.0.0-4+deb12u1",
            "nonesuch": None,
            "removed": None,
        }
        unit = ixgbe.units["libvirtd.service"]
        assert (unit.load, unit.active, unit.enabled) == ("loaded", "active", "enabled")
        assert ixgbe.units["nonesuch.service"].load == "not-found"
        assert ixgbe.kernel_modules == ("kvm_intel", "pci_stub", "vfio_pci")
        assert ixgbe.module_parameters["vfio_pci"] == {"disable_idle_d3": "N", "ids": "(null)"}


class TestI40eBehindBondVlanBridge:
    def test_ssh_is_followed_down_to_both_ports(self, i40e: Facts) -> None:
        carried = {one.address: (one.carries, one.carries_via) for one in i40e.nics if one.carries}
        way = ("bond0", "bond0.100", "br0")
        assert carried == {
            "0000:02:00.0": (("ssh", "default-route"), way),
            "0000:02:00.1": (("ssh", "default-route"), way),
            "0000:3b:00.1": (("default-route",), ()),
        }

    def test_members_of_a_bond_keep_their_own_address(self, i40e: Facts) -> None:
        assert [nic(i40e, f"0000:02:00.{port}").mac for port in (0, 1)] == ["02:00:00:00:02:01", "02:00:00:00:02:02"]

    def test_old_spelling_of_vf_attributes(self, i40e: Facts) -> None:
        first, second = vfs(i40e, "0000:3b:00.0")
        assert (first.mac, first.vlan, first.qos, first.trust) == ("02:00:00:00:3b:10", 7, 0, True)
        assert (second.vlan, second.link_state, second.name) == (0, "disable", "enp59s0f0v1")

    def test_what_the_firmware_does_not_tell_is_null(self, i40e: Facts) -> None:
        assert {one.node for one in i40e.nics} == {None}
        assert {one.iommu_group for one in i40e.nics} == {None}

    def test_iommu_is_there_but_not_enabled(self, i40e: Facts) -> None:
        assert (i40e.iommu.in_acpi, i40e.iommu.enabled, i40e.iommu.groups) == (True, False, ())
        assert i40e.iommu.interrupt_remapping is False

    def test_offline_cpus(self, i40e: Facts) -> None:
        offline = [(cpu.id, cpu.core, cpu.socket, cpu.node, cpu.siblings) for cpu in i40e.cpu.cpus if not cpu.online]
        assert offline == [(6, -1, -1, 0, (6,)), (7, -1, -1, 0, (7,))]
        assert i40e.cpu.nohz_full == ()

    def test_entry_that_tries_without_initrd(self, i40e: Facts) -> None:
        assert i40e.cmdline.configured == i40e.cmdline.running

    def test_lockdown(self, i40e: Facts) -> None:
        assert (i40e.security.secure_boot, i40e.security.lockdown) == (True, "integrity")


class TestIceOnRhel9:
    def test_a_vf_that_carries_ssh_protects_its_pf(self, ice: Facts) -> None:
        assert nic(ice, "0000:17:01.0").carries == ("ssh", "default-route")
        assert nic(ice, "0000:17:00.0").carries == ("ssh", "default-route")
        assert nic(ice, "0000:17:00.0").carries_via == ("ens1f0v0",)
        assert nic(ice, "0000:17:01.1").carries == ()

    def test_one_time_choice_of_the_newest_entry(self, ice: Facts) -> None:
        assert ice.os.family == "redhat"
        assert ice.cmdline.boot_loader == "grub-bls"
        assert ice.cmdline.config_source is not None and "427.13.1" in ice.cmdline.config_source
        assert ice.cmdline.configured is not None
        assert ice.cmdline.configured.split()[1:] == ice.cmdline.running.split()[1:]

    def test_eswitch_and_vfio_device_file(self, ice: Facts) -> None:
        assert nic(ice, "0000:17:00.0").eswitch_mode == "legacy"
        holder = vfs(ice, "0000:17:00.0")[1].holder
        assert holder is not None
        assert (holder.kind, holder.name, holder.pid) == ("vfio", "qemu-kvm", 8000)

    def test_packages(self, ice: Facts) -> None:
        assert ice.packages == {"irqbalance": "1.9.2-3.el9", "qemu-kvm": "8.2.0-11.el9_4", "nonesuch": None}

    def test_lockdown(self, ice: Facts) -> None:
        assert ice.security.lockdown == "confidentiality"


class TestMlx5InSwitchdevMode:
    def test_the_uplink_is_the_interface_and_not_a_representor(self, mlx5: Facts) -> None:
        assert nic(mlx5, "0000:41:00.0").name == "enp65s0f0np0"
        assert nic(mlx5, "0000:41:00.0").eswitch_mode == "switchdev"

    def test_attributes_that_the_driver_does_not_tell_are_null(self, mlx5: Facts) -> None:
        first, second = vfs(mlx5, "0000:41:00.0")
        assert (first.mac, first.spoofchk, first.trust) == ("02:00:00:00:41:10", None, None)
        assert second.link_state == "disable"

    def test_ssh_through_open_vswitch(self, mlx5: Facts) -> None:
        assert nic(mlx5, "0000:41:00.0").carries == ("ssh",)
        assert nic(mlx5, "0000:41:00.0").carries_via == ("ovs-system", "br-ex")
        assert any("Open vSwitch" in note for note in mlx5.notes)

    def test_default_route_into_a_tunnel_is_noted(self, mlx5: Facts) -> None:
        assert any("tun0 (tun)" in note for note in mlx5.notes)

    def test_ports_without_interface_or_vfs(self, mlx5: Facts) -> None:
        infiniband = nic(mlx5, "0000:62:00.0")
        assert (infiniband.name, infiniband.driver, infiniband.sriov) == (None, None, None)
        second = nic(mlx5, "0000:41:00.1").sriov
        assert second is not None and second.total_vfs == 0

    def test_amd_and_a_node_with_memory_only(self, mlx5: Facts) -> None:
        assert (mlx5.iommu.in_acpi, mlx5.iommu.kind, mlx5.iommu.enabled) == (True, "amd", True)
        assert (mlx5.cpu.vendor, mlx5.cpu.virt) == ("AuthenticAMD", "svm")
        assert [node.id for node in mlx5.nodes] == [0, 1, 2]
        assert mlx5.nodes[2].memory_total_bytes == 64 * GIBIBYTE
        assert not [cpu for cpu in mlx5.cpu.cpus if cpu.node == 2]
        assert {cpu.node for cpu in mlx5.cpu.cpus} == {0, 1}
        assert mlx5.cpu.irq_affinity == tuple(range(8))

    def test_kernel_arguments_out_of_the_environment_block(self, mlx5: Facts) -> None:
        assert mlx5.cmdline.configured is not None
        assert mlx5.cmdline.configured.split()[1:] == mlx5.cmdline.running.split()[1:]
        assert mlx5.cmdline.configured.endswith(" iommu=pt")

    def test_no_efi(self, mlx5: Facts) -> None:
        assert mlx5.security.secure_boot is None


def test_facts_are_plain_json(tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    machine.put("/var/lib/nfvcap/ledger.json", '{"schema": "nfvcap/ledger/1", "entries": {}}')
    machine.put("/etc/default/grub.d/90-nfvcap.cfg", "x\n")
    facts = machine.facts(files=("/etc/default/grub.d/90-nfvcap.cfg", "/etc/nonesuch"))
    assert facts.ledger == {"schema": "nfvcap/ledger/1", "entries": {}}
    kept = facts.files["/etc/default/grub.d/90-nfvcap.cfg"]
    assert kept is not None and (kept.mode, kept.content) == ("0644", "x\n")
    assert facts.files["/etc/nonesuch"] is None
    json.loads(facts.to_json())


def recorded(name: str, path: Path) -> Facts:
    """A machine that was recorded, asked for what it was asked for then."""
    machine = host(name, path)
    asked = {line.split()[0]: line.split() for line in machine.answers}
    packages, units = asked["dpkg-query"][4:], asked["systemctl"][4:]  # what was asked for when it was recorded
    return machine.facts(packages=tuple(packages), units=tuple(units), kernel_modules=("vfio_pci", "kvm"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return recorded("lab-provisioned", tmp_path_factory.mktemp("lab"))


class TestLabServer:
    """Recorded: real kernel, real drivers, emulated card."""

    def test_vfs_of_both_ports(self, lab: Facts) -> None:
        assert [vf.driver for vf in vfs(lab, "0000:41:00.0")] == ["igbvf", "igbvf"]
        assert [vf.driver_override for vf in vfs(lab, "0000:81:00.0")] == ["vfio-pci"] * 4
        first, second = vfs(lab, "0000:41:00.0")
        assert (first.vlan, first.spoofchk, first.link_state) == (100, True, "auto")
        assert (second.max_tx_rate_mbps, second.name) == (500, "ens1v1")
        assert [vf.trust for vf in vfs(lab, "0000:81:00.0")] == [False, False, True, False]

    def test_other_names_of_an_interface(self, lab: Facts) -> None:
        assert nic(lab, "0000:41:00.0").names == ("0000:41:00.0", "ens1", "enp65s0", "enx5254006e6610")

    def test_each_vf_has_an_iommu_group_of_its_own(self, lab: Facts) -> None:
        groups = [vf.iommu_group for port in ("0000:41:00.0", "0000:81:00.0") for vf in vfs(lab, port)]
        assert len(set(groups)) == 6
        assert (lab.iommu.kind, lab.iommu.enabled, lab.iommu.interrupt_remapping) == ("intel", True, True)

    def test_only_the_management_card_carries_anything(self, lab: Facts) -> None:
        assert {one.address: one.carries for one in lab.nics if one.carries} == {
            "0000:00:02.0": ("ssh", "default-route")
        }

    def test_arguments_that_wait_for_a_reboot(self, lab: Facts) -> None:
        assert lab.cmdline.configured is not None
        new = set(lab.cmdline.configured.split()) - set(lab.cmdline.running.split())
        assert {"intel_iommu=on", "iommu=pt", "hugepagesz=1G", "hugepages=0:1"} <= new
        assert set(lab.cmdline.running.split()) <= set(lab.cmdline.configured.split())

    def test_the_rest(self, lab: Facts) -> None:
        assert [nic(lab, address).node for address in ("0000:41:00.0", "0000:81:00.0")] == [0, 1]
        assert nic(lab, "0000:81:00.0").firmware == "2.1.0"
        assert lab.nodes[1].hugepages[0].total == 768
        assert lab.security.secure_boot is False
        assert lab.packages["qemu-kvm"] is None
        assert lab.units["libvirtd.socket"].active == "active"
        assert lab.module_parameters["vfio_pci"]["disable_idle_d3"] == "Y"
        assert lab.ledger is not None and lab.ledger["schema"] == "nfvcap/ledger/1"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return recorded("lab-pristine", tmp_path_factory.mktemp("pristine"))


class TestPristineLabServer:
    """The same machine, recorded before anything was done to it."""

    def test_ports_have_no_vfs_and_could_have_seven(self, pristine: Facts) -> None:
        for address, node in (("0000:41:00.0", 0), ("0000:81:00.0", 1)):
            port = nic(pristine, address)
            assert (port.node, port.driver, port.admin_up) == (node, "igb", False)
            assert port.sriov is not None
            assert (port.sriov.total_vfs, port.sriov.num_vfs, port.sriov.vfs) == (7, 0, ())

    def test_nothing_of_ours_is_there(self, pristine: Facts) -> None:
        assert pristine.ledger is None
        assert {path for path, file in pristine.files.items() if file is not None} <= {"/etc/default/irqbalance"}
        assert pristine.units["nfvcap-sriov.service"].load == "not-found"
        assert pristine.cmdline.running.split() == (pristine.cmdline.configured or "").split()
        assert {pages.total for one in pristine.nodes for pages in one.hugepages} == {0}
        assert "vfio_pci" not in pristine.kernel_modules


@pytest.fixture(scope="module")
def with_guest(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return host("lab-guest", tmp_path_factory.mktemp("guest")).facts()


class TestLabServerWithGuest:
    """The same machine, recorded while a guest ran and had a VF."""

    def test_the_guest_is_where_the_plan_had_it(self, with_guest: Facts) -> None:
        (guest,) = with_guest.guests
        assert (guest.name, guest.state, guest.persistent, guest.vcpus) == ("vm1", "running", True, 1)
        assert (guest.vcpu_pins, guest.emulator_pins, guest.memory_nodes) == ({0: (6,)}, (5,), (1,))
        assert (guest.hugepage_size_bytes, guest.hostdevs) == (2 << 20, ("0000:81:10.0",))

    def test_its_vf_is_held_and_no_other(self, with_guest: Facts) -> None:
        holders = [vf.holder for vf in vfs(with_guest, "0000:81:00.0")]
        assert holders[0] is not None and "vm1" in holders[0].model_dump_json()
        assert holders[1:] == [None, None, None]
        assert vfs(with_guest, "0000:81:00.0")[0].driver == "vfio-pci"

    def test_the_ledger_knows_the_loan(self, with_guest: Facts) -> None:
        assert with_guest.ledger is not None
        assert {"guest:vm1", "attach:0000:81:00.0:0"} <= with_guest.ledger["entries"].keys()
