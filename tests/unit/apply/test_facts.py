# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from nfvcap.apply.ansible import Outcome
from nfvcap.apply.events import Status, TaskEnded
from nfvcap.apply.facts import decode
from nfvcap.errors import NfvcapError
from tests.unit.planner import machines


def result(host: str, facts: Any) -> TaskEnded:
    return TaskEnded(host, "", "Read the host", "nfvcap_facts", Status.OK, False, 0.1, {"nfvcap_facts": facts})


def test_facts_of_several_hosts_and_the_reasons_of_those_without() -> None:
    good = machines.document(machines.lab_spec())
    outcome = Outcome(
        results=[result("a", good), result("b", good | {"hostname": None, "colour": "blue"})],
        failures={"c": NfvcapError("NFV-SSH-001", "away")},
    )
    batch = decode(outcome, ("a", "b", "c", "d"))
    assert set(batch.values) == {"a"} and batch.values["a"] == machines.lab_host()
    assert {host: error.code for host, error in batch.failures.items()} == {"b": "NFV-FACTS-101", "c": "NFV-SSH-001"}
    assert "hostname" in batch.failures["b"].why and "colour" in batch.failures["b"].why


def test_of_several_readings_the_last_one_counts() -> None:
    first, last = machines.document(machines.lab_spec()), machines.document(machines.lab_spec()) | {"hostname": "later"}
    batch = decode(Outcome(results=[result("a", first), result("a", last)]), ("a",))
    assert batch.values["a"].hostname == "later"
