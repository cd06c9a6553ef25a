# SPDX-License-Identifier: Apache-2.0
"""What an attachment set is no drift: for the plan, and for the checks, which read the ledger by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcap.errors import UsageError
from nfvcap.model.intent import Intent
from nfvcap.planner.plan import plan_host
from tests.unit.attach import hosts
from tests.unit.attach.test_choice import PLANNED
from tests.unit.planner.machines import PORT0, PORT1

MAC = "02:00:00:81:00:33"


def changes(facts: dict[str, Any], **intent: Any) -> set[str]:
    plan = plan_host("host1", Intent.model_validate({**PLANNED, **intent}), hosts.typed(facts))
    return {change.id for change in plan.changes if change.id.startswith(("vf:", "pf:"))}


def attached(**entry: Any) -> dict[str, Any]:
    """VF 2 of the port on node 1 is vm1's, on a VLAN that the plan does not have."""
    facts = hosts.plain()
    hosts.vfs_of(facts, PORT1)[0] |= {"mac": "02:00:00:81:00:00", "vlan": 30, "qos": 2}
    hosts.vfs_of(facts, PORT1)[2] |= {
        "mac": MAC, "vlan": 100, "trust": True, "holder": {"kind": "libvirt", "name": "vm1", "pid": 1},
    }  # fmt: skip
    facts["ledger"] = hosts.attached(PORT1, 2, "vm1", mac=MAC, vlan=100, trust=True)
    facts["ledger"]["entries"][f"attach:{PORT1}:2"] |= entry
    for vf in hosts.vfs_of(facts, PORT0):
        vf |= {"driver": "igbvf", "driver_override": None}
    return facts


def test_attributes_of_an_attachment_are_wanted() -> None:
    assert changes(attached()) == set()
    facts = attached()
    facts["ledger"] = None
    assert changes(facts) == {f"vf:{PORT1}:2:vlan", f"vf:{PORT1}:2:trust"}


def test_attributes_that_left_the_attachment_are_drift() -> None:
    facts = attached()
    hosts.vfs_of(facts, PORT1)[2]["vlan"] = 101
    assert changes(facts) == {f"vf:{PORT1}:2:vlan"}


@pytest.mark.parametrize("state", ["attaching", "detaching"])
def test_interrupted_attachments_do_not_count(state: str) -> None:
    assert changes(attached(state=state)) == {f"vf:{PORT1}:2:vlan", f"vf:{PORT1}:2:trust"}


def test_attachment_to_a_guest_that_ran_has_ended_with_it() -> None:
    facts = attached(config=False)
    assert changes(facts) == set()
    hosts.vfs_of(facts, PORT1)[2]["holder"] = None
    assert changes(facts) == {f"vf:{PORT1}:2:vlan", f"vf:{PORT1}:2:trust"}


def test_vfs_of_a_guest_that_is_off_are_not_destroyed() -> None:
    facts = attached()
    hosts.vfs_of(facts, PORT1)[2]["holder"] = None
    with pytest.raises(UsageError) as caught:
        changes(facts, pfs=[{"pf": PORT1, "vfs": 5}], guests={})
    assert caught.value.code == "NFV-PLAN-070" and "VF 2 is held by guest vm1" in caught.value.what + caught.value.why


def test_desired_state_and_files_stay_what_the_inventory_says() -> None:
    plan = plan_host("host1", Intent.model_validate(PLANNED), hosts.typed(attached()))
    vf = plan.desired.pfs[1].vfs[2]
    assert vf.vlan == 0 and MAC not in str(plan.files)
