# SPDX-License-Identifier: Apache-2.0
"""Planning for the machines of the fixtures: what is read of them must be enough, and the plan must hold."""

from __future__ import annotations

from typing import Any

import pytest
from simulator import apply_plan

from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.planner.plan import plan_host
from nfvcap.planner.query import FACTS_QUERY
from tests.fixtures.tree import NAMES, host


@pytest.fixture(scope="module", params=NAMES)
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    asked = {name: tuple(words) for name, words in FACTS_QUERY.items()}
    return host(request.param, tmp_path_factory.mktemp("host")).facts(**asked)


def wish(facts: Facts) -> dict[str, Any]:
    """Two VFs, with a guest on one, of every port that is free to be used."""
    ports = [
        nic
        for nic in facts.nics
        if nic.sriov and not nic.carries and nic.driver and not any(vf.holder for vf in nic.sriov.vfs)
    ]
    first = ports[0].address if ports else None
    return {
        "pfs": [{"pf": nic.address, "vfs": 2} for nic in ports],
        "guests": {"nfvcap-test": {"vcpus": 1, "memory": "512M", "pf": first}} if first else {},
        "hugepages_reserve": 0,
        "kvm": False,
    }


def test_nothing_wanted_is_nothing_to_do(facts: Facts) -> None:
    plan = plan_host("h", Intent(), facts)
    if facts.ledger is None:
        assert plan.changes == ()
    else:  # provisioned before: what was set is taken back, once
        units = ("nfvcap-hugepages.service", "nfvcap-sriov.service")  # of one machine their state was not recorded
        undone = ["kernel-args", *(f"unit:{name}" for name in units if name in facts.units)]
        assert [change.id for change in plan.changes] == undone
        assert plan_host("h", Intent(), apply_plan(facts, plan)).changes == ()


def test_a_plan_holds_or_the_refusal_is_explained(facts: Facts) -> None:
    intent = Intent.model_validate(wish(facts))
    try:
        plan = plan_host("h", intent, facts)
    except UsageError as error:
        assert error.code.startswith("NFV-PLAN-")
        assert error.fix
        return
    assert {pf.address for pf in plan.desired.pfs}.isdisjoint(plan.protected)
    left = plan_host("h", intent, apply_plan(facts, plan)).changes
    assert [change.id for change in left] == []


def test_no_port_that_carries_something_is_accepted(facts: Facts) -> None:
    for nic in facts.nics:
        if nic.carries:
            with pytest.raises(UsageError):
                plan_host("h", Intent.model_validate({"pfs": [{"pf": nic.address, "vfs": 0}]}), facts)
