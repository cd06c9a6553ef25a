# SPDX-License-Identifier: Apache-2.0
"""The plan for the lab server, choice by choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from machines import MANAGEMENT, PORT0, PORT1, document, lab_host, lab_spec
from simulator import apply_plan

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Disruption, HostPlan, Plan
from nfvcap.model.units import GIB, MIB
from nfvcap.planner.files import GRUB, HOST_JSON, IRQBALANCE, MODPROBE, MODULES_LOAD
from nfvcap.planner.plan import plan_host
from nfvcap.planner.previous import Previous


@pytest.fixture(scope="module")
def intent(top: Path) -> Intent:
    raw = yaml.safe_load((top / "inventory" / "lab.yml").read_text())
    return Intent.model_validate(raw["all"]["hosts"]["host1"]["nfvcap"])


@pytest.fixture(scope="module")
def plan(intent: Intent) -> HostPlan:
    return plan_host("host1", intent, lab_host())


def test_the_guests_sit_beside_their_port(plan: HostPlan) -> None:
    assert {guest.name: guest.vcpu_pins for guest in plan.placement} == {
        "vm1": {0: 6}, "vm2": {0: 7}, "vm3": {0: 8, 1: 9},
    }  # fmt: skip
    assert all((guest.node, guest.emulator_cpus) == (1, (5,)) for guest in plan.placement)
    assert [guest.vfs for guest in plan.placement] == [(f"{PORT1}:vf{number}",) for number in range(3)]


def test_a_guest_is_told_inside_what_the_host_is_told(plan: HostPlan) -> None:
    machine = plan.placement[2].machine
    assert machine.kernel_args == (
        "intel_iommu=on", "iommu=pt", "hugepagesz=2M", "hugepages=64",
        "isolcpus=managed_irq,domain,1", "nohz_full=1", "rcu_nocbs=1",
    )  # fmt: skip
    assert machine.cpu == "Westmere"
    assert machine.vf_slots == ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:04:00.0")


def test_a_service_that_does_not_exist_yet_has_no_state_before(plan: HostPlan) -> None:
    change = next(change for change in plan.changes if change.id == "unit:libvirtd.socket")
    assert (change.before, change.after) == (None, "enabled, active")
    assert next(change for change in plan.changes if change.id == "packages").after == list(plan.desired.kvm.packages)


def test_kernel_arguments(plan: HostPlan) -> None:
    assert [arg.token for arg in plan.desired.kernel_args] == [
        "intel_iommu=on", "iommu=pt", "hugepagesz=1G", "hugepages=0:1",
        "isolcpus=managed_irq,domain,6-9", "nohz_full=6-9", "rcu_nocbs=6-9", "irqaffinity=0-5",
    ]  # fmt: skip


def test_big_pages_at_boot_and_small_ones_at_run_time(plan: HostPlan) -> None:
    pools = [(pool.node, pool.size_bytes, pool.count, pool.when) for pool in plan.desired.hugepages]
    assert pools == [(0, GIB, 1, "boot"), (1, 2 * MIB, 768, "runtime")]


def test_text_of_the_files(plan: HostPlan) -> None:
    assert (plan.files[GRUB] or "").splitlines()[-1] == (
        'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt hugepagesz=1G hugepages=0:1'
        ' isolcpus=managed_irq,domain,6-9 nohz_full=6-9 rcu_nocbs=6-9 irqaffinity=0-5"'
    )
    assert "options vfio-pci disable_idle_d3=1\n" in (plan.files[MODPROBE] or "")
    assert (plan.files[MODULES_LOAD] or "").endswith("\nvfio-pci\n")
    assert (plan.files[IRQBALANCE] or "").endswith("[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST=6-9\n")
    assert all(text is None or text.endswith("\n") for text in plan.files.values())


def test_vf_addresses_are_known_before_the_vfs_exist(plan: HostPlan) -> None:
    assert [vf.address for vf in plan.desired.pfs[1].vfs] == [f"0000:81:10.{number}" for number in (0, 2, 4, 6)]


def test_what_the_boot_record_remembers_does_not_depend_on_the_state(intent: Intent, plan: HostPlan) -> None:
    after = plan_host("host1", intent, apply_plan(lab_host(), plan))
    assert after.files[HOST_JSON] == plan.files[HOST_JSON]
    assert "0000:81:10" not in (plan.files[HOST_JSON] or "")


def test_the_management_nic_is_protected(plan: HostPlan) -> None:
    assert plan.protected == (MANAGEMENT,)


def test_the_way_to_readiness(intent: Intent, plan: HostPlan) -> None:
    assert plan.reboot_needed
    before_boot = apply_plan(lab_host(), plan, reboot=False)
    waiting = plan_host("host1", intent, before_boot)
    assert [(change.id, change.disruption) for change in waiting.changes] == [
        ("kernel-args", Disruption.REBOOT), ("hugepages:node0:1048576kB", Disruption.REBOOT),
    ]  # fmt: skip
    assert "only a reboot" in waiting.changes[0].reason
    assert not plan_host("host1", intent, apply_plan(lab_host(), plan)).pending


def test_a_plan_travels_as_json(plan: HostPlan) -> None:
    document = Plan(nfvcap_version="1", created_at="2026-01-01T00:00:00Z", nfvcap_plan={"host1": plan})
    assert Plan.from_json(document.to_json()) == document


BREAKS: list[tuple[tuple[Any, ...], Any, list[str]]] = [
    (("packages", "ovmf"), None, ["packages"]),
    (("units", "libvirtd.socket", "active"), "inactive", ["unit:libvirtd.socket"]),
    (("units", "libvirtd.socket", "enabled"), "disabled", ["unit:libvirtd.socket"]),
    (("cmdline", "configured"), "root=LABEL=root ro", ["kernel-args"]),
    (("files", GRUB), None, ["kernel-args"]),
    (("files", MODPROBE, "content"), "options vfio-pci disable_idle_d3=0\n", [f"file:{MODPROBE}"]),
    (("files", MODULES_LOAD), None, [f"file:{MODULES_LOAD}"]),
    (("module_parameters", "vfio_pci", "disable_idle_d3"), "N", ["vfio-options:vfio-pci"]),
    (("kernel_modules",), [], ["vfio-module:vfio-pci"]),
    (("files", IRQBALANCE), None, ["irqbalance"]),
    (("files", HOST_JSON, "content"), "{}", [f"file:{HOST_JSON}"]),
    (("units", "nfvcap-sriov.service", "enabled"), "disabled", ["unit:nfvcap-sriov.service"]),
    (("nodes", 1, "hugepages", 0, "total"), 100, ["hugepages:node1:2048kB"]),
    (("nodes", 1, "hugepages", 0, "total"), 1000, ["hugepages:node1:2048kB"]),
    (("files", "/var/lib/nfvcap/plan.json"), None, ["record"]),
    (("nics", 2, "admin_up"), False, [f"pf:{PORT1}:up"]),
    (("nics", 1, "sriov", "vfs", 0, "vlan"), 7, [f"vf:{PORT0}:0:vlan"]),
    (("nics", 1, "sriov", "vfs", 0, "mac"), "02:00:00:00:00:99", [f"vf:{PORT0}:0:mac"]),
    (("nics", 1, "sriov", "vfs", 1, "max_tx_rate_mbps"), 0, [f"vf:{PORT0}:1:max_tx_rate"]),
    (("nics", 1, "sriov", "vfs", 0, "driver"), "vfio-pci", [f"vf:{PORT0}:0:driver"]),
    (("nics", 2, "sriov", "vfs", 2, "driver"), "igbvf", [f"vf:{PORT1}:2:driver"]),
    (("nics", 2, "sriov", "vfs", 2, "trust"), False, [f"vf:{PORT1}:2:trust"]),
    (("nics", 2, "sriov", "vfs", 3, "spoofchk"), True, [f"vf:{PORT1}:3:spoofchk"]),
    (("nics", 2, "sriov", "vfs", 3, "link_state"), "disable", [f"vf:{PORT1}:3:link_state"]),
]


@pytest.mark.parametrize(("path", "value", "expected"), BREAKS, ids=[str(entry[2][0]) for entry in BREAKS])
def test_each_thing_broken_by_hand_is_exactly_one_change(
    intent: Intent, plan: HostPlan, path: tuple[Any, ...], value: Any, expected: list[str]
) -> None:
    facts: Any = apply_plan(lab_host(), plan).model_dump(mode="json", by_alias=True)
    target = facts
    for key in path[:-1]:
        target = target[key]
    assert target[path[-1]] != value
    target[path[-1]] = value
    again = plan_host("host1", intent, Facts.model_validate(facts))
    assert [change.id for change in again.changes] == expected


def test_a_guest_that_moves_is_a_change_although_the_host_stays_as_it_is() -> None:
    raw = {"cpus": {"housekeeping": "0,3"}, "hugepages": [{"size": "2M", "node": 0, "count": 512}]}
    one = Intent.model_validate(raw | {"guests": {"a": {"vcpus": 1, "memory": "512M", "node": 0}}})
    two = Intent.model_validate(raw | {"guests": {"a": {"vcpus": 2, "memory": "512M", "node": 0}}})
    settled = apply_plan(lab_host(), plan_host("host1", one, lab_host()))
    assert [change.id for change in plan_host("host1", two, settled).changes] == [f"file:{HOST_JSON}"]


def test_a_vf_lent_to_a_guest_is_no_drift(intent: Intent, plan: HostPlan) -> None:
    facts: Any = apply_plan(lab_host(), plan).model_dump(mode="json", by_alias=True)
    vf = facts["nics"][1]["sriov"]["vfs"][0]
    vf |= {"driver": "vfio-pci", "name": None, "holder": {"kind": "libvirt", "name": "vm9", "pid": None}}
    assert not plan_host("host1", intent, Facts.model_validate(facts)).pending


def test_nothing_wanted_of_a_pristine_host_is_no_change() -> None:
    plan = plan_host("host1", Intent(), lab_host())
    assert not plan.pending
    assert set(plan.files.values()) == {None}


def test_nothing_wanted_any_more_takes_everything_back(plan: HostPlan) -> None:
    settled = apply_plan(lab_host(), plan)
    empty = plan_host("host1", Intent(), settled)
    ids = [change.id for change in empty.changes]
    assert "kernel-args" in ids
    assert "hugepages:node1:2048kB" in ids
    assert "irqbalance" in ids
    assert f"file:{HOST_JSON}" in ids
    assert len([text for text in empty.warnings if "no longer in the inventory" in text]) == 2
    assert not plan_host("host1", Intent(), apply_plan(settled, empty)).pending
    (left,) = plan_host("host1", Intent(), apply_plan(settled, empty, reboot=False)).changes
    assert (left.id, left.disruption) == ("kernel-args", Disruption.REBOOT)
    assert "isolcpus=managed_irq,domain,6-9" in left.before


def test_arguments_that_were_never_booted_are_taken_out_again() -> None:
    facts = document(lab_spec())
    facts["os"] |= {"family": "redhat", "id": "rocky", "version": "9.4"}
    facts["cmdline"]["boot_loader"] = "grub-bls"
    facts["cmdline"]["configured"] += " isolcpus=managed_irq,domain,6-9"
    record = {"schema": "nfvcap/host/1", "kernel_args": ["isolcpus=managed_irq,domain,6-9"]}
    facts["files"][HOST_JSON] = {"sha256": "", "mode": "0644", "content": json.dumps(record)}
    first = plan_host("host1", Intent(), Facts.model_validate(facts)).changes[0]
    assert (first.id, first.disruption, first.after) == ("kernel-args", Disruption.NONE, [])


def test_a_damaged_boot_record_counts_as_none() -> None:
    for content in ("{", "[]", '{"hugepages": 3, "kernel_args": [1], "pfs": [{}]}', '{"hugepages": [{"node": "x"}]}'):
        facts = document(lab_spec())
        facts["files"][HOST_JSON] = {"sha256": "", "mode": "0644", "content": content}
        previous = Previous(Facts.model_validate(facts))
        assert (previous.kernel_args, previous.pools, previous.pfs) == ((), frozenset(), ())
