# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import click
import pytest

from nfvcap.cli import plan_view
from nfvcap.model.plan import Change, Disruption, HostPlan, Reason


def change(before: Any, after: Any, disruption: Disruption = Disruption.NONE, lasting: bool = True) -> Change:
    return Change(
        id="x", role="sriov", title="VFs of 0000:81:00.0", before=before, after=after, disruption=disruption,
        survives_reboot=lasting, reason="the inventory asks for 4",
    )  # fmt: skip


def plan(*changes: Change, **fields: Any) -> HostPlan:
    return HostPlan.model_construct(
        host="host1", changes=changes,
        **{"warnings": (), "protected": (), "reasons": ()} | fields,
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
    assert (plan_view.sign(change(before, after)), plan_view.difference(change(before, after))) == (sign, text)


def test_the_summary_counts_reboots_once_and_flaps_each() -> None:
    flap, boot = change(0, 4, Disruption.LINK_FLAP), change(0, 1, Disruption.REBOOT)
    assert plan_view.summary(plan(flap, flap, boot, boot)) == "host1: 4 changes, 1 reboot, 2 link flaps"
    assert plan_view.summary(plan()) == "host1: nothing to change"


def test_each_line_says_what_it_disturbs_and_why_when_asked() -> None:
    subject = plan(
        change(0, 4, Disruption.LINK_FLAP), change(0, 1, lasting=False),
        warnings=("little memory",), protected=("0000:00:02.0",), reasons=(Reason(subject="vm1", text="near"),),
    )  # fmt: skip
    short = [click.unstyle(line) for line in plan_view.render(subject, None, why=False)]
    assert short[1] == "  ~  VFs of 0000:81:00.0  0 → 4  link flap"
    assert short[2].endswith("(until reboot)")
    assert "  ! little memory" in short
    assert "  ! 0000:00:02.0 carries ssh or the default route: not touched" in short
    long = [click.unstyle(line) for line in plan_view.render(subject, None, why=True)]
    assert long[2] == "      the inventory asks for 4" and long[-1] == "    vm1: near"
