# SPDX-License-Identifier: Apache-2.0
"""Consent to registers becomes a kernel argument; the address that a rule lends to a monitor is no drift."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.planner.plan import plan_host
from tests.unit.planner.machines import PORT1, document, lab_spec
from tests.unit.planner.simulator import apply_plan

MACS = {0: "02:00:00:81:00:00", 1: "02:00:00:81:00:01"}
PFS = [{"pf": PORT1, "vfs": 2, "vf": {index: {"mac": mac} for index, mac in MACS.items()}}]


def intent(**more: Any) -> Intent:
    return Intent.model_validate({"pfs": PFS, **more})


def host(**security: Any) -> Facts:
    raw = document(lab_spec())
    raw["security"] |= security
    return Facts.model_validate(raw)


@pytest.mark.parametrize("registers", [True, False])
def test_registers_need_a_kernel_argument_and_say_why(registers: bool) -> None:
    plan = plan_host("host1", intent(mirror={"registers": registers}), host())
    assert ("iomem=relaxed" in [arg.token for arg in plan.desired.kernel_args]) == registers
    assert any(reason.subject == "kernel_args.iomem" for reason in plan.reasons) == registers


def test_under_lockdown_registers_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        plan_host("host1", intent(mirror={"registers": True}), host(lockdown="integrity"))
    assert caught.value.code == "NFV-PLAN-054"


def test_consent_taken_back_takes_the_argument_away() -> None:
    allowed = apply_plan(host(), plan_host("host1", intent(mirror={"registers": True}), host()))
    again = plan_host("host1", intent(), allowed)
    assert [change.id for change in again.changes if change.disruption == "reboot"] == ["kernel-args"]


def test_a_lent_address_is_no_drift_and_any_other_is() -> None:
    raw = apply_plan(host(), plan_host("host1", intent(), host())).model_dump(mode="json", by_alias=True)
    port = next(nic for nic in raw["nics"] if nic["address"] == PORT1)
    port["sriov"]["vfs"][1]["mac"] = MACS[0]
    drifted = plan_host("host1", intent(), Facts.model_validate(raw))
    assert [change.id for change in drifted.changes] == [f"vf:{PORT1}:1:mac"]
    rule = {"backend": "igbmac", "pf": PORT1, "monitor": {"index": 1}}
    raw["ledger"] = raw["ledger"] or {"entries": {}}
    raw["ledger"]["entries"]["mirror:m1"] = {"kind": "mirror", "rule": rule}
    assert not plan_host("host1", intent(), Facts.model_validate(raw)).changes
