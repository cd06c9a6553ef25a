# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import click
import pytest

from nfvcap.cli import plan_view
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Change, Disruption, HostPlan, Reason
from nfvcap.planner.plan import plan_host
from tests.unit.planner import machines

LAB = plan_host("host1", Intent.model_validate({"pfs": [{"pf": "0000:81:00.0", "vfs": 2}]}), machines.lab_host())


def change(before: Any, after: Any, disruption: Disruption = Disruption.NONE, lasting: bool = True) -> Change:
    return Change(
        id="x", role="sriov", title="VFs of 0000:81:00.0", before=before, after=after, disruption=disruption,
        survives_reboot=lasting, reason="the inventory asks for 4",
    )  # fmt: skip


def plan(*changes: Change, **fields: Any) -> HostPlan:
    return HostPlan.model_construct(
        host="host1", changes=changes,
        **{"warnings": (), "protected": (), "reasons": (), "desired": LAB.desired, "files": LAB.files} | fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "sign", "text"),
    [
        (None, 4, "+", "4"),
        (0, 4, "~", "0 → 4"),
        (4, 0, "~", "4 → 0"),
        (["a=1", "b"], ["a=2", "b", "c"], "~", "-a=1 +a=2 +c"),
        ("x", None, "-", "x → none"),
        (False, True, "~", "off → on"),
        (None, "one\ntwo\n", "+", "2 lines"),
        ({"a": 1}, {"a": 2}, "~", "a=1 → a=2"),
    ],
)
def test_a_difference_in_one_line(before: Any, after: Any, sign: str, text: str) -> None:
    assert (plan_view.sign((change(before, after),)), plan_view.difference(change(before, after))) == (sign, text)


def test_the_summary_counts_reboots_once_and_flaps_each() -> None:
    flap, boot = change(0, 4, Disruption.LINK_FLAP), change(0, 1, Disruption.REBOOT)
    assert plan_view.summary(plan(flap, flap, boot, boot)) == "host1: 4 changes, 1 reboot, 2 link flaps"
    assert plan_view.summary(plan()) == "host1: nothing to change"


def test_each_line_says_what_it_disturbs_and_why_when_asked() -> None:
    subject = plan(
        change(0, 4, Disruption.LINK_FLAP), change(0, 1, lasting=False).model_copy(update={"id": "y"}),
        warnings=("little memory",), protected=("0000:00:02.0",), reasons=(Reason(subject="vm1", text="near"),),
    )  # fmt: skip
    short = [click.unstyle(line) for line in plan_view.render(subject, None, why=False)]
    assert short[1] == "  ~  VFs of 0000:81:00.0  link flap     0 → 4"
    assert short[2] == "  ~  VFs of 0000:81:00.0  until reboot  0 → 1"
    assert "  ! little memory" in short
    assert "  ! 0000:00:02.0 carries ssh or the default route: not touched" in short
    long = [click.unstyle(line) for line in plan_view.render(subject, None, why=True)]
    assert long[2] == "      the inventory asks for 4" and long[-1] == "    vm1: near"


def test_the_changes_of_one_vf_stand_in_one_line_unless_reasons_are_asked() -> None:
    vf = [
        change(None, after).model_copy(
            update={"id": f"vf:0000:81:00.0:{index}:{name}", "title": f"{name} of VF {index}"}
        )
        for index, name, after in ((0, "mac", "02:00:00:00:00:01"), (0, "vlan", 5), (1, "trust", True))
    ]
    short = [click.unstyle(line) for line in plan_view.render(plan(*vf), None, why=False)]
    assert [line.split() for line in short[1:-1]] == [
        ["+", "VF", "0", "mac", "02:00:00:00:00:01,", "vlan", "5"],
        ["+", "trust", "of", "VF", "1", "on"],
    ]
    assert len(plan_view.render(plan(*vf), None, why=True)) == 8


def test_the_plan_ends_with_what_keeps_it_over_a_reboot() -> None:
    def last(plan: HostPlan) -> str:
        return " ".join(click.unstyle(line).strip() for line in plan_view.render(plan, None, why=False)[-2:])

    assert last(LAB.model_copy(update={"protected": ()})).endswith(
        "all of this is kept over a reboot by the boot loader, nfvcap-sriov.service"
    )
    record = tuple(change for change in LAB.changes if change.id == "record")
    assert last(plan(*record)).endswith("all of this is kept over a reboot by files on the disk")
    stranger = change(0, 4, lasting=False)
    assert last(plan(*record, stranger)).endswith("the rest is kept over a reboot by files on the disk")
    assert last(plan(stranger)).endswith("nothing of this is kept over a reboot")
    assert len(plan_view.render(plan(), None, why=False)) == 1
