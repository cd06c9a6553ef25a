# SPDX-License-Identifier: Apache-2.0
"""No check is forgotten in the lab: told without one, on a stand-in for the server that the lab's inventory makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nfvcap import catalogue
from nfvcap.model.intent import Intent
from nfvcap.planner.plan import plan_host
from nfvcap.verify.session import WORDS
from tests.lab.breaks import NOT_HERE, Provisioned, never_broken
from tests.unit.planner.machines import lab_host


class PaperHost:
    """Knows its plan; whatever is asked of it otherwise it answers with a word."""

    def __init__(self, plan: Any) -> None:
        self.plan = plan

    def desired(self) -> Any:
        return self.plan["desired"]

    def read(self, _path: str) -> str:
        return json.dumps({"nfvcap_plan": {"host1": self.plan}})

    def run(self, _line: str) -> str:
        return "word"

    def hugepage_file(self, _pool: Any) -> str:
        return "pages"


@pytest.fixture(scope="module")
def paper_host(top: Path) -> PaperHost:
    raw = yaml.safe_load((top / "inventory" / "lab.yml").read_text())
    intent = Intent.model_validate(raw["all"]["hosts"]["host1"]["nfvcap"])
    return PaperHost(plan_host("host1", intent, lab_host()).model_dump(mode="json"))


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {entry.id.removeprefix("NFV-STATE-") for entry in catalogue.read(WORDS)}


def test_every_check_is_broken_in_the_lab_or_excused(paper_host: PaperHost, known: set[str]) -> None:
    assert never_broken(Provisioned(paper_host).breaks(), known) == set()  # type: ignore[arg-type]


def test_a_break_that_no_longer_happens_is_noticed(paper_host: PaperHost, known: set[str]) -> None:
    """As when the port is planned of which a break says that nobody planned it."""
    breaks = Provisioned(paper_host).breaks()  # type: ignore[arg-type]
    without = [one for one in breaks if not any(number == "056" for number, _ in one.red)]
    assert never_broken(without, known) == {"056"}


def test_an_excuse_for_what_is_broken_is_noticed(paper_host: PaperHost, known: set[str]) -> None:
    breaks = Provisioned(paper_host).breaks()  # type: ignore[arg-type]
    assert never_broken(breaks, known | {"999"}) == {"999"}
    assert never_broken(breaks, known - {"001"}) == {"001"}


def test_every_excuse_says_why() -> None:
    assert all(len(reason.split()) > 5 for reason in NOT_HERE.values())
