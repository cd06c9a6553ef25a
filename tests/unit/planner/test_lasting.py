# SPDX-License-Identifier: Apache-2.0
"""Each change has something in the same plan that keeps it over a reboot, and without that it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from machines import document, lab_host, lab_spec

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Change, Disruption, HostPlan
from nfvcap.planner.diff import diff
from nfvcap.planner.files import HUGEPAGES_UNIT, IRQBALANCE, MODPROBE, MODULES_LOAD, PROGRAM, SRIOV_UNIT, unit_path
from nfvcap.planner.lasting import BOOT_LOADER, DISK, keeper
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.plan import plan_host

# Kind of change → who keeps it. The modules' own tests show that these do it, tests/lab that they did it.
KEEPERS = {
    "packages": {DISK}, "unit": {DISK}, "file": {DISK}, "record": {DISK},
    "kernel-args": {BOOT_LOADER}, "hugepages": {BOOT_LOADER, HUGEPAGES_UNIT},
    "vfio-module": {MODULES_LOAD}, "vfio-options": {MODPROBE}, "irqbalance": {IRQBALANCE},
    "pf": {SRIOV_UNIT}, "vf": {SRIOV_UNIT},
}  # fmt: skip


@pytest.fixture
def facts() -> Facts:
    """A lab server that has loaded vfio-pci with other options, so that there are changes of all kinds but one."""
    raw = document(lab_spec())
    raw["kernel_modules"].append("vfio_pci")
    raw["module_parameters"]["vfio_pci"] = {"disable_idle_d3": "N"}
    return Facts.model_validate(raw)


@pytest.fixture
def intent(top: Path) -> Intent:
    raw = yaml.safe_load((top / "inventory" / "lab.yml").read_text())["all"]["hosts"]["host1"]["nfvcap"]
    big = {"big": {"vcpus": 1, "memory": "1G", "hugepage_size": "1G", "node": 0}}
    return Intent.model_validate({**raw, "vfio": {"options": {"disable_idle_d3": "1"}}, "guests": raw["guests"] | big})


def kind(change: Change) -> str:
    return change.id.partition(":")[0]


def found(*plans: HostPlan) -> dict[str, set[str | None]]:
    """Kind of change → who keeps those of the plans."""
    keepers: dict[str, set[str | None]] = {}
    for plan in plans:
        for change in plan.changes:
            keepers.setdefault(kind(change), set()).add(keeper(change, plan.desired, plan.files))
    return keepers


def test_every_kind_of_change_has_its_keeper(intent: Intent, facts: Facts) -> None:
    plans = (plan_host("host1", intent, facts), plan_host("host1", intent, lab_host()))
    assert found(*plans) == KEEPERS
    assert all(change.survives_reboot for plan in plans for change in plan.changes)


@pytest.mark.parametrize("unit", [HUGEPAGES_UNIT, SRIOV_UNIT])
@pytest.mark.parametrize("lost", ["enabled", "file", "program"])
def test_a_unit_that_will_not_run_keeps_nothing(intent: Intent, facts: Facts, unit: str, lost: str) -> None:
    plan = plan_host("host1", intent, facts)
    desired, wanted = plan.desired, dict(plan.files)
    if lost == "enabled":
        desired = desired.model_copy(update={"units": tuple(name for name in desired.units if name != unit)})
    else:
        wanted[PROGRAM if lost == "program" else unit_path(unit)] = None
    changes = diff(desired, wanted, facts, Misfits("host1"))
    kept = {kind(change) for change in changes if change.survives_reboot}
    gone = {kind(change) for change in changes if not change.survives_reboot}
    runtime = {"hugepages"} if unit == HUGEPAGES_UNIT else {"pf", "vf"}
    assert runtime <= gone and "kernel-args" in kept
    if lost != "program":
        assert gone == runtime


@pytest.mark.parametrize(
    ("path", "kinds"), [(MODULES_LOAD, {"vfio-module"}), (MODPROBE, {"vfio-options"}), (None, {"hugepages"})]
)
def test_what_is_not_written_down_is_not_kept(intent: Intent, facts: Facts, path: str | None, kinds: set[str]) -> None:
    facts = lab_host() if path == MODULES_LOAD else facts
    plan = plan_host("host1", intent, facts)
    desired, wanted = plan.desired, dict(plan.files)
    if path is not None:
        wanted[path] = None
    else:
        arguments = tuple(arg for arg in desired.kernel_args if arg.feature != "hugepages")
        desired = desired.model_copy(update={"kernel_args": arguments})
    changes = diff(desired, wanted, facts, Misfits("host1"))
    assert {kind(change) for change in changes if not change.survives_reboot} == kinds


def test_pages_that_are_given_back_need_nobody(facts: Facts) -> None:
    first = plan_host("host1", Intent.model_validate({"hugepages": [{"size": "2M", "node": 1, "count": 16}]}), facts)
    raw = facts.model_dump(mode="json", by_alias=True)
    for path, text in first.files.items():
        raw["files"][path] = None if text is None else {"sha256": "", "mode": "0644", "content": text}
    raw["nodes"][1]["hugepages"][0] |= {"total": 16, "free": 16}
    plan = plan_host("host1", Intent.model_validate({}), Facts.model_validate(raw))
    (change,) = [change for change in plan.changes if kind(change) == "hugepages"]
    assert (change.before, change.after) == (16, 0) and change.survives_reboot
    assert keeper(change, plan.desired, plan.files) == DISK


def test_a_kind_that_nobody_knows_is_not_kept(facts: Facts) -> None:
    plan = plan_host("host1", Intent.model_validate({}), facts)
    stranger = Change(id="sysctl:vm.x", role="r", title="x", before=0, after=1, disruption=Disruption.NONE, reason="x")
    assert keeper(stranger, plan.desired, plan.files) is None
