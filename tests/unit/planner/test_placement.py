# SPDX-License-Identifier: Apache-2.0
"""Where guests go and what they get, on machines of various shapes."""

from __future__ import annotations

from typing import Any

import pytest
from machines import MachineSpec, NodeSpec, PortSpec, document, lab_spec
from simulator import apply_plan

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan
from nfvcap.model.units import GIB, MIB
from nfvcap.planner.hugepages import reserve_bytes
from nfvcap.planner.plan import plan_host

PORT = "0000:3b:00.0"


def plan(raw: dict[str, Any], facts: dict[str, Any]) -> HostPlan:
    return plan_host("host1", Intent.model_validate(raw), Facts.model_validate(facts))


def big(**changes: Any) -> dict[str, Any]:
    """Two sockets with 8 cores and SMT, one port on node 1."""
    nodes = [NodeSpec(8, 2, 64 * GIB), NodeSpec(8, 2, 64 * GIB)]
    return document(MachineSpec(**{"nodes": nodes, "ports": [PortSpec(PORT, 1, "ens5", "ice", 64)], **changes}))


def reasons(made: HostPlan) -> dict[str, str]:
    return {reason.subject: reason.text for reason in made.reasons}


def test_siblings_of_vcpus_are_isolated_and_idle() -> None:
    made = plan({"pfs": [{"pf": PORT, "vfs": 1}], "guests": {"vm1": {"vcpus": 2, "memory": "2G", "pf": PORT}}}, big())
    (guest,) = made.placement
    assert guest.vcpu_pins == {0: 9, 1: 10}
    assert made.desired.cpus.isolated == (9, 10, 25, 26)
    assert not {25, 26} & set(guest.emulator_cpus)
    assert {cpu % 16 // 8 for cpu in guest.emulator_cpus} == {1}
    assert "sibling threads 25, 26 stay idle" in reasons(made)["guests.vm1.vcpus"]


def test_offline_threads_do_not_count() -> None:
    made = plan({"guests": {"vm1": {"vcpus": 3, "memory": "1G", "node": 0}}}, big(offline=frozenset({1, 18})))
    (guest,) = made.placement
    assert list(guest.vcpu_pins.values()) == [2, 3, 4]  # in order of the cores; 17 is what is left of CPU 1's core


def test_the_last_thread_of_a_core_still_is_a_core() -> None:
    made = plan({"guests": {"vm1": {"vcpus": 7, "memory": "1G", "node": 0}}}, big(offline=frozenset({1})))
    assert 17 in made.placement[0].vcpu_pins.values()


def test_explicit_housekeeping_isolates_the_rest() -> None:
    made = plan({"cpus": {"housekeeping": "0,8,16,24"}}, big())
    assert made.desired.cpus.housekeeping == (0, 8, 16, 24)
    assert len(made.desired.cpus.isolated) == 28
    assert "later guests need no reboot" in reasons(made)["cpus.isolated"]


def test_guests_stay_off_explicit_housekeeping_cores() -> None:
    raw = {"cpus": {"housekeeping": "0,1,16,17"}, "guests": {"vm1": {"vcpus": 6, "memory": "1G", "node": 0}}}
    made = plan(raw, big())
    assert list(made.placement[0].vcpu_pins.values()) == [2, 3, 4, 5, 6, 7]
    assert made.placement[0].emulator_cpus == (0, 1, 16, 17)


def test_a_node_without_housekeeping_sends_the_emulator_elsewhere_and_warns() -> None:
    raw = {"cpus": {"housekeeping": "0,16"}, "guests": {"vm1": {"vcpus": 8, "memory": "1G", "node": 1}}}
    made = plan(raw, big())
    assert made.placement[0].emulator_cpus == (0, 16)
    assert "emulator threads of guest vm1 run on another node" in made.warnings[0]


def test_explicit_isolation_is_where_guests_go() -> None:
    raw = {"cpus": {"isolate": "4-7,20-23"}, "guests": {"vm1": {"vcpus": 2, "memory": "1G", "node": 0}}}
    made = plan(raw, big())
    assert list(made.placement[0].vcpu_pins.values()) == [4, 5]
    assert made.desired.cpus.isolated == (4, 5, 6, 7, 20, 21, 22, 23)


def test_half_a_core_takes_no_vcpu() -> None:
    raw = {"cpus": {"isolate": "4-6,21-22"}, "guests": {"vm1": {"vcpus": 2, "memory": "1G", "node": 0}}}
    made = plan(raw, big())
    assert list(made.placement[0].vcpu_pins.values()) == [5, 6]
    assert "CPUs 4,20 are one physical core" in made.warnings[0]


def test_isolation_can_be_declined() -> None:
    made = plan({"cpus": {"isolate": "none"}, "guests": {"vm1": {"vcpus": 2, "memory": "1G", "node": 0}}}, big())
    assert made.desired.cpus.isolated == ()
    assert made.desired.kernel_args == ()
    assert not {1, 17, 2, 18} & set(made.placement[0].emulator_cpus)


def test_cores_of_guests_outside_the_inventory_are_left_alone() -> None:
    facts = big()
    facts["guests"] = [
        {
            "name": "legacy", "uuid": "u", "state": "running", "persistent": True, "vcpus": 2, "memory_bytes": 4 * GIB,
            "vcpu_pins": {"0": [9], "1": [10]}, "emulator_pins": [], "memory_nodes": [1],
            "hugepage_size_bytes": 2 * MIB, "hostdevs": [],
        },
        {
            "name": "floating", "uuid": "v", "state": "running", "persistent": True, "vcpus": 1, "memory_bytes": GIB,
            "vcpu_pins": {"0": list(range(32))}, "emulator_pins": [], "memory_nodes": [],
            "hugepage_size_bytes": None, "hostdevs": [],
        },
    ]  # fmt: skip
    made = plan({"guests": {"vm1": {"vcpus": 2, "memory": "2G", "node": 1}}}, facts)
    assert list(made.placement[0].vcpu_pins.values()) == [11, 12]
    assert "(legacy)" in reasons(made)["cpus.taken"]
    (pool,) = made.desired.hugepages
    assert (pool.node, pool.count) == (1, 1024 + 2048)


def test_a_guest_without_a_port_goes_where_most_cores_are_free() -> None:
    raw = {
        "pfs": [{"pf": PORT, "vfs": 1}],
        "guests": {"free": {"vcpus": 1, "memory": "1G"}, "bound": {"vcpus": 2, "memory": "1G", "pf": PORT}},
    }
    made = {guest.name: guest.node for guest in plan(raw, big()).placement}
    assert made == {"free": 0, "bound": 1}


def test_a_guest_that_wants_vfs_of_any_port_goes_to_the_port() -> None:
    raw = {"pfs": [{"pf": PORT, "vfs": 4}], "guests": {"vm1": {"vcpus": 2, "memory": "1G", "vfs": 2}}}
    (guest,) = plan(raw, big()).placement
    assert (guest.node, guest.vfs) == (1, (f"{PORT}:vf0", f"{PORT}:vf1"))


def test_vfs_are_handed_out_one_after_the_other() -> None:
    raw = {
        "pfs": [{"pf": PORT, "vfs": 3}],
        "guests": {name: {"vcpus": 1, "memory": "1G", "pf": PORT, "vfs": n} for name, n in (("a", 1), ("b", 2))},
    }
    assert [guest.vfs for guest in plan(raw, big()).placement] == [
        (f"{PORT}:vf0",), (f"{PORT}:vf1", f"{PORT}:vf2"),
    ]  # fmt: skip


def test_a_node_against_the_port_is_obeyed_with_a_warning() -> None:
    raw = {"pfs": [{"pf": PORT, "vfs": 1}], "guests": {"vm1": {"vcpus": 1, "memory": "1G", "pf": PORT, "node": 0}}}
    made = plan(raw, big())
    assert made.placement[0].node == 0
    assert "every packet crosses the link" in made.warnings[0]


def test_a_port_on_a_node_without_cpus_sends_guests_to_the_nearest() -> None:
    nodes = [NodeSpec(4), NodeSpec(4), NodeSpec(0)]
    facts = big(nodes=nodes, ports=[PortSpec(PORT, 2, "ens5")])
    raw = {"pfs": [{"pf": PORT, "vfs": 1}], "guests": {"vm1": {"vcpus": 1, "memory": "512M", "pf": PORT}}}
    made = plan(raw, facts)
    assert made.placement[0].node == 1
    assert "nearest with CPUs to node 2" in reasons(made)["guests.vm1.node"]


def test_an_unknown_node_of_the_port_is_said() -> None:
    facts = big(ports=[PortSpec(PORT, None, "ens5")])
    raw = {"pfs": [{"pf": PORT, "vfs": 1}], "guests": {"vm1": {"vcpus": 1, "memory": "1G", "pf": PORT}}}
    assert "does not say on which NUMA node" in plan(raw, facts).warnings[0]
    one_node = big(nodes=[NodeSpec(8, 2, 64 * GIB)], ports=[PortSpec(PORT, None, "ens5")])
    assert plan(raw, one_node).warnings == ()


@pytest.mark.parametrize(("memory", "size"), [("8G", GIB), ("16G", GIB), ("4G", 2 * MIB), ("8704M", 2 * MIB)])
def test_big_guests_get_big_pages(memory: str, size: int) -> None:
    (guest,) = plan({"guests": {"vm1": {"vcpus": 1, "memory": memory}}}, big()).placement
    assert guest.hugepage_size_bytes == size


def test_guests_take_the_first_pool_with_room() -> None:
    raw = {
        "hugepages": [{"size": "1G", "node": 0, "count": 2}, {"size": "2M", "node": 0, "memory": "3G"}],
        "guests": {name: {"vcpus": 1, "memory": "2G", "node": 0} for name in ("a", "b")},
    }
    assert [guest.hugepage_size_bytes for guest in plan(raw, big()).placement] == [GIB, 2 * MIB]


@pytest.mark.parametrize(
    ("kernel", "when"),
    [("6.12.1", "boot"), ("5.16.0-1", "boot"), ("5.14.0-503.el9", "runtime"), ("rolling", "runtime")],
)
def test_big_pages_by_node_need_a_kernel_that_can(kernel: str, when: str) -> None:
    made = plan({"hugepages": [{"size": "1G", "node": 1, "count": 2}]}, big(kernel=kernel))
    assert [pool.when for pool in made.desired.hugepages] == [when]
    assert [arg.token for arg in made.desired.kernel_args] == (
        ["hugepagesz=1G", "hugepages=1:2"] if when == "boot" else []
    )
    assert made.desired.units == (() if when == "boot" else ("nfvcap-hugepages.service",))


def test_idle_vfio_vfs_get_pages_for_a_program_on_the_host() -> None:
    made = plan({"pfs": [{"pf": PORT, "vfs": 2, "driver": "vfio-pci"}]}, big())
    (pool,) = made.desired.hugepages
    assert (pool.node, pool.count, pool.size_bytes) == (1, 256, 2 * MIB)


def test_as_many_vfs_as_the_port_can_have() -> None:
    (pf,) = plan({"pfs": [{"pf": PORT, "vfs": 64}]}, big()).desired.pfs
    assert (pf.num_vfs, len({vf.address for vf in pf.vfs})) == (64, 64)


def test_vfs_that_exist_keep_the_address_that_was_found() -> None:
    facts = big()
    unknown = ("mac", "vlan", "qos", "trust", "spoofchk", "min_tx_rate_mbps", "max_tx_rate_mbps", "link_state")
    vf = {
        "name": None, "driver": "iavf", "driver_override": None, "device_id": "1889", "node": 1,
        "iommu_group": None, "holder": None, **dict.fromkeys(unknown),
    }  # fmt: skip
    found = [vf | {"index": index, "address": f"0000:3b:1f.{index}"} for index in range(2)]
    facts["nics"][1]["sriov"] |= {"num_vfs": 2, "vfs": found}
    (pf,) = plan({"pfs": [{"pf": PORT, "vfs": 2}]}, facts).desired.pfs
    assert [target.address for target in pf.vfs] == ["0000:3b:1f.0", "0000:3b:1f.1"]


def test_a_cpu_without_big_pages_gets_small_ones() -> None:
    (guest,) = plan({"guests": {"vm1": {"vcpus": 1, "memory": "8G"}}}, big(page_1g=False)).placement
    assert guest.hugepage_size_bytes == 2 * MIB


@pytest.mark.parametrize(("size", "warned"), [("2M", True), ("1G", False)])
def test_memory_that_is_taken_now_is_warned_about_unless_the_boot_gives_it(size: str, warned: bool) -> None:
    facts = big()
    facts["nodes"][0]["memory_available_bytes"] = GIB
    made = plan({"hugepages": [{"size": size, "node": 0, "memory": "8G"}]}, facts)
    assert any("may find fewer" in text for text in made.warnings) is warned


def test_the_reserve() -> None:
    (node, *_) = Facts.model_validate(document(MachineSpec(nodes=[NodeSpec(memory_bytes=64 * GIB)]))).nodes
    assert reserve_bytes(node, None) == 64 * GIB // 10
    assert reserve_bytes(node.model_copy(update={"memory_total_bytes": 4 * GIB}), None) == GIB
    assert reserve_bytes(node.model_copy(update={"memory_total_bytes": 2 * GIB}), None) == GIB // 2
    assert reserve_bytes(node, 3 * GIB) == 3 * GIB


@pytest.mark.parametrize(
    ("kind", "vendor", "expected"),
    [
        ("intel", "AuthenticAMD", ["intel_iommu=on", "iommu=pt"]),  # the lab: the tables count, not the CPU
        ("amd", "GenuineIntel", ["iommu=pt"]),
        (None, "GenuineIntel", ["intel_iommu=on", "iommu=pt"]),
        (None, "AuthenticAMD", ["iommu=pt"]),
        ("other", "Unknown", ["iommu=pt"]),
    ],
)
def test_the_vendor_of_the_iommu_decides(kind: str | None, vendor: str, expected: list[str]) -> None:
    facts = big(iommu_kind=kind, iommu_in_acpi=None if kind is None else True)
    facts["cpu"]["vendor"] = vendor
    made = plan({"pfs": [{"pf": PORT, "vfs": 1}]}, facts)
    assert [arg.token for arg in made.desired.kernel_args] == expected


def test_translation_for_all_devices_on_request() -> None:
    made = plan({"pfs": [{"pf": PORT, "vfs": 1}], "iommu": {"passthrough": False}}, big())
    assert [arg.token for arg in made.desired.kernel_args] == ["intel_iommu=on"]


def test_more_arguments_of_the_inventory_come_last() -> None:
    made = plan({"kernel_args": ["mitigations=off", "nosmt"]}, big())
    assert [(arg.key, arg.value, arg.feature) for arg in made.desired.kernel_args] == [
        ("mitigations", "off", "extra"), ("nosmt", None, "extra"),
    ]  # fmt: skip


def test_attributes_come_from_the_vf_then_the_port_then_the_kernel() -> None:
    raw = {
        "pfs": [
            {
                "pf": PORT, "vfs": 2, "vf_defaults": {"vlan": 5, "trust": True},
                "vf": {1: {"vlan": 0, "link_state": "enable", "max_tx_rate": "2.5G", "driver": "vfio-pci"}},
            }
        ]
    }  # fmt: skip
    first, second = plan(raw, big()).desired.pfs[0].vfs
    assert (first.vlan, first.trust, first.spoofchk, first.link_state, first.driver) == (5, True, True, "auto", "")
    assert (second.vlan, second.trust, second.max_tx_rate_mbps, second.link_state) == (0, True, 2500, "enable")
    assert second.driver == "vfio-pci"


def test_the_source_check_of_drivers_without_a_default_is_left_alone() -> None:
    facts = big(ports=[PortSpec(PORT, 1, "ens5", "mlx5_core")])
    (vf,) = plan({"pfs": [{"pf": PORT, "vfs": 1}]}, facts).desired.pfs[0].vfs
    assert vf.spoofchk is None


def test_irqbalance_is_only_told_where_it_runs() -> None:
    raw = {"guests": {"vm1": {"vcpus": 1, "memory": "1G", "node": 0}}}
    facts = big()
    assert plan(raw, facts).desired.irqbalance.banned_cpus == (1, 17)
    facts["files"]["/etc/default/irqbalance"] = {
        "sha256": "", "mode": "0644", "content": "#x\nIRQBALANCE_BANNED_CPULIST=7\n",
    }  # fmt: skip
    assert "overrules the plan's list" in plan(raw, facts).warnings[0]
    facts["packages"]["irqbalance"] = None
    facts["units"]["irqbalance.service"]["load"] = "not-found"
    assert plan(raw, facts).desired.irqbalance.manage is False


def test_a_shared_iommu_group_is_warned_about() -> None:
    facts = big()
    unknown = ("mac", "vlan", "qos", "trust", "spoofchk", "min_tx_rate_mbps", "max_tx_rate_mbps", "link_state")
    vf = {
        "index": 0, "address": "0000:3b:10.0", "name": None, "driver": "vfio-pci", "driver_override": "vfio-pci",
        "device_id": "10ca", "node": 1, "iommu_group": 0, "holder": None, **dict.fromkeys(unknown),
    }  # fmt: skip
    facts["nics"][1]["sriov"] |= {"num_vfs": 1, "vfs": [vf]}
    facts["iommu"]["groups"] = [{"id": 0, "devices": ["0000:3b:10.0", "0000:3b:00.1"]}]
    made = plan({"pfs": [{"pf": PORT, "vfs": 1, "driver": "vfio-pci"}]}, facts)
    assert "shares IOMMU group 0 with 0000:3b:00.1" in made.warnings[0]


def test_families_have_their_packages() -> None:
    facts = document(lab_spec())
    assert "qemu-system-x86" in plan({"kvm": True}, facts).desired.kvm.packages
    facts["os"] |= {"family": "redhat", "id": "rocky", "version": "9.4"}
    assert "qemu-kvm" in plan({"kvm": True}, facts).desired.kvm.packages
    assert plan({"kvm": True}, facts).desired.kvm.services[0] == "virtqemud.socket"
    facts["os"]["version"] = "8.10"
    assert plan({"kvm": True}, facts).desired.kvm.services == ("libvirtd.socket",)
    assert plan({"kvm": False, "guests": {"a": {"vcpus": 1, "memory": "1G"}}}, facts).desired.kvm.packages == ()


def test_a_host_for_guests_alone_keeps_its_plan_as_well() -> None:
    """Even when packages and services are there already: whoever verifies needs to know that they shall be."""
    facts = document(lab_spec())
    done = apply_plan(Facts.model_validate(facts), plan({"kvm": True}, facts)).model_dump(by_alias=True)
    assert plan({"kvm": True}, done).changes == ()
    done["files"]["/var/lib/nfvcap/plan.json"] = None
    assert [change.id for change in plan({"kvm": True}, done).changes] == ["record"]
    assert plan({}, facts).changes == ()
