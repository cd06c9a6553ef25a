# SPDX-License-Identifier: Apache-2.0
"""What must hold for every machine and every intent."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from machines import MachineSpec, NodeSpec, machine
from simulator import apply_plan
from strategies import crowds, intents, machine_specs, partial_states

from nfvcap.errors import ExitCode, UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan
from nfvcap.model.units import GIB, MIB
from nfvcap.planner.diff_pfs import ATTRIBUTES
from nfvcap.planner.files import GRUB, IRQBALANCE, MANAGED, ROLE_OF
from nfvcap.planner.plan import plan_host

Case = tuple[MachineSpec, Intent, Facts]
ROLES = (
    "kvm_host",
    "kernel_args",
    "iommu",
    "cpu_isolation",
    "persistence",
    "hugepages",
    "sriov",
    "driver_binding",
    "record",
)
# `make soak` asks for many, and for other ones each time.
EXAMPLES = int(os.environ.get("NFVCAP_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 60, deadline=None, derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    spec = draw(machine_specs())
    return spec, draw(intents(spec)), draw(partial_states(spec))


@st.composite
def crowded(draw: st.DrawFn) -> Case:
    """A case that fits: of cases() only few have guests that share anything, and many of those do not fit."""
    spec, intent = draw(crowds())
    return spec, intent, draw(partial_states(spec))


def planned(intent: Intent, facts: Facts) -> HostPlan:
    """The plan; a case that does not fit is another test's business."""
    try:
        return plan_host("host1", intent, facts)
    except UsageError as error:
        note(str(error))
        assume(False)
        raise


def differences(before: Facts, after: Facts) -> set[str]:
    """Ids of changes that must have been announced for this to have happened."""
    found = {f"file:{path}" for path in MANAGED if before.files[path] != after.files[path]}
    found = {{f"file:{GRUB}": "kernel-args", f"file:{IRQBALANCE}": "irqbalance"}.get(name, name) for name in found}
    # What the user had configured before comes with any reboot: that is no change of ours.
    by_itself = (before.cmdline.running, before.cmdline.configured)
    if before.cmdline.configured != after.cmdline.configured or after.cmdline.running not in by_itself:
        found.add("kernel-args")
    for node, then in zip(before.nodes, after.nodes, strict=True):
        for page, later in zip(node.hugepages, then.hugepages, strict=True):
            if page.total != later.total:
                found.add(f"hugepages:node{node.id}:{page.size_bytes // 1024}kB")
    for nic, later_nic in zip(before.nics, after.nics, strict=True):
        if nic.sriov and later_nic.sriov and nic.sriov.num_vfs != later_nic.sriov.num_vfs:
            found.add(f"pf:{nic.address}:num_vfs")
        elif nic.sriov and later_nic.sriov:
            for vf, later_vf in zip(nic.sriov.vfs, later_nic.sriov.vfs, strict=True):
                for name in (*ATTRIBUTES, "driver"):
                    if getattr(vf, name) != getattr(later_vf, name):
                        found.add(f"vf:{nic.address}:{vf.index}:{name.removesuffix('_mbps')}")
        if nic.admin_up != later_nic.admin_up:
            found.add(f"pf:{nic.address}:up")
    return found


@SETTINGS
@given(cases())
def test_a_plan_or_one_explained_refusal(case: Case) -> None:
    _, intent, facts = case
    try:
        plan_host("host1", intent, facts)
    except UsageError as error:
        assert error.exit_code is ExitCode.USAGE
        assert error.code.startswith("NFV-PLAN-")
        assert error.what


@SETTINGS
@given(cases())
def test_nothing_is_left_to_do_after_applying(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    again = planned(intent, apply_plan(facts, plan))
    assert [change.id for change in again.changes] == []
    assert again.files == plan.files


@SETTINGS
@given(cases())
def test_every_difference_is_announced_as_a_change(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    announced = {change.id for change in plan.changes}
    assert differences(facts, apply_plan(facts, plan)) <= announced


@SETTINGS
@given(cases())
def test_without_the_reboot_only_what_needs_it_is_left(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    again = planned(intent, apply_plan(facts, plan, reboot=False))
    assert all(change.disruption == "reboot" for change in again.changes)
    assert bool(again.changes) == plan.reboot_needed


@SETTINGS
@given(st.data())
def test_a_changed_mind_converges_too(data: st.DataObject) -> None:
    spec = data.draw(machine_specs())
    first, second = data.draw(intents(spec)), data.draw(intents(spec))
    facts = data.draw(partial_states(spec))
    settled = apply_plan(facts, planned(first, facts))
    plan = planned(second, settled)
    again = planned(second, apply_plan(settled, plan))
    assert [change.id for change in again.changes] == []


@SETTINGS
@given(cases())
def test_planning_twice_gives_the_same(case: Case) -> None:
    _, intent, facts = case
    assert planned(intent, facts) == planned(intent, Facts.from_json(facts.to_json()))


@SETTINGS
@given(st.one_of(crowded(), cases()))
def test_no_core_is_used_twice(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    cpus = {cpu.id: cpu for cpu in facts.cpu.cpus}
    pins = [cpu for guest in plan.placement for cpu in guest.vcpu_pins.values()]
    cores = Counter(frozenset(cpus[cpu].siblings) for cpu in pins)
    assert not [core for core, count in cores.items() if count > 1], "two vCPUs share a physical core"
    assert all(cpus[cpu].online for cpu in pins)
    used = {cpu for core in cores for cpu in core}
    for guest in plan.placement:
        assert guest.emulator_cpus
        assert not used & set(guest.emulator_cpus), "emulator threads beside a vCPU"
        assert {cpus[cpu].node for cpu in guest.vcpu_pins.values()} == {guest.node}
        assert len(guest.vcpu_pins) == intent.guests[guest.name].vcpus
    if plan.desired.cpus.isolated:
        assert used <= set(plan.desired.cpus.isolated)


@SETTINGS
@given(st.one_of(crowded(), cases()))
def test_emulator_threads_are_near_their_guest_or_the_plan_warns(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    for guest in plan.placement:
        near = {cpu.id for cpu in facts.cpu.cpus if cpu.online and cpu.node == guest.node}
        warned = any(f"emulator threads of guest {guest.name} " in warning for warning in plan.warnings)
        assert set(guest.emulator_cpus) <= set(plan.desired.cpus.housekeeping)
        # None of them near, or all of them: half a step away would be an accident.
        assert not near & set(guest.emulator_cpus) if warned else set(guest.emulator_cpus) <= near


@SETTINGS
@given(cases())
def test_the_host_keeps_the_boot_cpu(case: Case) -> None:
    _, intent, facts = case
    cpus = planned(intent, facts).desired.cpus
    boot = min(cpu.id for cpu in facts.cpu.cpus if cpu.online)
    assert boot in cpus.housekeeping
    assert not set(cpus.housekeeping) & set(cpus.isolated)


@SETTINGS
@given(cases())
def test_guests_are_where_their_port_is(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    with_cpus = {cpu.node for cpu in facts.cpu.cpus if cpu.online}
    nics = {nic.address: nic for nic in facts.nics}
    for guest in plan.placement:
        wanted = intent.guests[guest.name]
        for vf in guest.vfs:
            port = nics[vf.rpartition(":")[0]]
            if wanted.node is None and port.node in with_cpus:
                assert guest.node == port.node


@SETTINGS
@given(st.one_of(crowded(), cases()))
def test_no_vf_is_given_twice(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    given_away = Counter(vf for guest in plan.placement for vf in guest.vfs)
    assert all(count == 1 for count in given_away.values())
    existing = {f"{pf.address}:vf{vf.index}" for pf in plan.desired.pfs for vf in pf.vfs}
    assert set(given_away) <= existing
    assert all(len(guest.vfs) == intent.guests[guest.name].vf_count for guest in plan.placement)


@SETTINGS
@given(cases())
def test_protected_ports_are_never_touched(case: Case) -> None:
    _, intent, facts = case
    carrying = {nic.address for nic in facts.nics if nic.carries}
    names = {name for nic in facts.nics if nic.carries for name in (nic.address, nic.name)}
    try:
        plan = plan_host("host1", intent, facts)
    except UsageError:
        return
    assert not names & {port.pf for port in intent.pfs}, "a protected port was accepted"
    assert set(plan.protected) == carrying
    assert not carrying & {pf.address for pf in plan.desired.pfs}
    assert not [change for change in plan.changes if any(address in change.id for address in carrying)]


def reserve(node_bytes: int, wanted_bytes: int | None) -> int:
    """As the reference of the inventory says: 10 % and at least 1 GiB, of a small node no more than a quarter."""
    if wanted_bytes is not None:
        return wanted_bytes
    return node_bytes // 4 if node_bytes < 4 * GIB else max(GIB, node_bytes // 10)


@SETTINGS
@given(cases())
def test_huge_pages_hold_the_guests_and_leave_the_reserve(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    for node in facts.nodes:
        pools = [pool for pool in plan.desired.hugepages if pool.node == node.id and pool.count]
        sizes = {pool.size_bytes for pool in plan.desired.hugepages if pool.node == node.id}
        others = sum(page.total * page.size_bytes for page in node.hugepages if page.size_bytes not in sizes)
        taken = sum(pool.count * pool.size_bytes for pool in pools) + others
        if pools:
            assert node.memory_total_bytes - taken >= reserve(node.memory_total_bytes, intent.hugepages_reserve_bytes)
        for pool in pools:
            need = sum(
                guest.memory_bytes
                for guest in plan.placement
                if guest.node == node.id and guest.hugepage_size_bytes == pool.size_bytes
            )
            assert pool.count * pool.size_bytes >= need


@SETTINGS
@given(st.integers(512, 256 * 1024), st.integers(-4, 4))
def test_without_a_word_the_reserve_is_a_sharp_border(pages: int, over: int) -> None:
    """Random cases rarely come near it."""
    memory = pages * 2 * MIB
    count = (memory - reserve(memory, None)) // (2 * MIB) + over
    facts = machine(MachineSpec(nodes=[NodeSpec(4, memory_bytes=memory)]))
    intent = Intent.model_validate({"hugepages": [{"size": "2M", "node": 0, "count": count}]})
    if over <= 0:
        assert plan_host("host1", intent, facts).desired.hugepages[0].count == count
    else:
        with pytest.raises(UsageError, match="NFV-PLAN-043"):
            plan_host("host1", intent, facts)


@SETTINGS
@given(cases(), st.integers(0, 8))
def test_a_larger_reserve_never_makes_something_fit(case: Case, more: int) -> None:
    _, intent, facts = case
    base = intent.hugepages_reserve_bytes or GIB
    smaller = intent.model_copy(update={"hugepages_reserve_bytes": base})
    larger = intent.model_copy(update={"hugepages_reserve_bytes": base + more * GIB})
    plan = planned(larger, facts)
    assert planned(smaller, facts).desired == plan.desired


@SETTINGS
@given(cases())
def test_every_choice_has_a_reason(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    subjects = {reason.subject for reason in plan.reasons}
    for guest in plan.placement:
        assert {f"guests.{guest.name}.{what}" for what in ("node", "vcpus", "emulator", "hugepages")} <= subjects
    assert {f"pfs.{pf.address}" for pf in plan.desired.pfs} <= subjects
    for pool in plan.desired.hugepages:
        assert f"hugepages.node{pool.node}.{pool.size_bytes // 1024}kB" in subjects
    keys = {arg.key for arg in plan.desired.kernel_args}
    explained = {"hugepagesz": "hugepages.1G", "hugepages": "hugepages.1G"} | dict.fromkeys(
        ("nohz_full", "rcu_nocbs", "irqaffinity"), "isolcpus"
    )
    assert {f"kernel_args.{explained.get(key, key)}" for key in keys} <= subjects
    assert "cpus.isolated" in subjects
    assert all(reason.text.endswith((".", ")")) for reason in plan.reasons)
    assert all(change.reason for change in plan.changes)


@SETTINGS
@given(cases())
def test_every_change_is_kept_over_a_reboot(case: Case) -> None:
    _, intent, facts = case
    assert [change.id for change in planned(intent, facts).changes if not change.survives_reboot] == []


@SETTINGS
@given(cases())
def test_changes_stand_in_the_order_of_application(case: Case) -> None:
    _, intent, facts = case
    plan = planned(intent, facts)
    order = [ROLES.index(change.role) for change in plan.changes]
    assert order == sorted(order)
    ids = [change.id for change in plan.changes]
    assert len(ids) == len(set(ids))


def test_every_managed_file_has_a_role() -> None:
    assert set(ROLE_OF) == set(MANAGED)
    assert set(ROLE_OF.values()) <= set(ROLES)
