# SPDX-License-Identifier: Apache-2.0
"""The fingerprint of facts moves with what a plan depends on, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nfvcap.model.digest import facts_digest
from nfvcap.model.facts import Facts
from tests.fixtures.tree import host


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return host("ixgbe", tmp_path_factory.mktemp("ixgbe")).facts().model_dump(mode="json", by_alias=True)


def changed(raw: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> bool:
    """Whether a change of the document changes the fingerprint."""
    other = Facts.model_validate(raw).model_dump(mode="json", by_alias=True)
    change(other)
    return facts_digest(Facts.model_validate(other)) != facts_digest(Facts.model_validate(raw))


def port(document: dict[str, Any]) -> dict[str, Any]:
    return next(nic for nic in document["nics"] if nic["address"] == "0000:03:00.0")


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(collected_at_s=0.0, notes=["x"]),
        lambda facts: facts["nodes"][1].update(memory_free_bytes=1, memory_available_bytes=2),
        lambda facts: facts["nodes"][1]["hugepages"][0].update(free=0),
        lambda facts: port(facts).update(speed_mbps=None, link_up=False),
        lambda facts: port(facts)["sriov"]["vfs"][0]["holder"].update(pid=1),
    ],
)
def test_what_moves_by_itself_does_not_count(raw: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    assert not changed(raw, change)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts["nodes"][1]["hugepages"][0].update(total=0),
        lambda facts: facts["cmdline"].update(configured="x"),
        lambda facts: port(facts)["sriov"].update(num_vfs=5),
        lambda facts: port(facts)["sriov"]["vfs"][0].update(holder=None),
        lambda facts: port(facts)["sriov"]["vfs"][1].update(vlan=1),
        lambda facts: port(facts).update(carries=["ssh"]),
        lambda facts: facts["guests"][0].update(state="shutoff"),
        lambda facts: facts.update(ledger={}),
    ],
)
def test_what_a_plan_depends_on_counts(raw: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    assert changed(raw, change)


def test_two_readings_of_one_machine_are_equal(tmp_path: Path) -> None:
    machine = host("mlx5-switchdev", tmp_path)
    assert facts_digest(machine.facts()) == facts_digest(machine.facts())
