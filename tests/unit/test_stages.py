# SPDX-License-Identifier: Apache-2.0
"""The breakdown that the commands behind the Makefile print at their end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def run(top: Path, script: str, budget_s: int = 60) -> tuple[int, list[str]]:
    """Exit status and lines of the breakdown, blanks squeezed."""
    head = f'budget_name="make x" budget_s={budget_s}; source {top}/tools/stages.sh; '
    done = subprocess.run(["bash", "-c", head + script], capture_output=True, text=True, timeout=60, check=False)
    lines = [re.sub(r"\s+", " ", line).strip() for line in done.stderr.splitlines()]
    return done.returncode, lines[lines.index("make x: stage seconds") + 1 :]


def test_stages_a_part_with_a_budget_of_its_own_and_the_total(top: Path) -> None:
    status, lines = run(top, 'stage "one" true; subtotal "the first part" 30; stage "two" true')
    assert status == 0
    assert lines == ["one 0", "= the first part 0 (budget 30)", "two 0", "total 0 (budget 60)"]


def test_what_takes_longer_than_its_budget_is_said(top: Path) -> None:
    _, lines = run(top, 'stage "one" sleep 2; subtotal "the first part" 0', budget_s=0)
    assert re.fullmatch(r"= the first part [23] \(budget 0, over by [23] s\)", lines[1])
    assert re.fullmatch(r"total [23] \(budget 0, over by [23] s\)", lines[2])


def test_a_stage_that_fails_is_named_and_its_status_kept(top: Path) -> None:
    status, lines = run(top, 'stage "one" true; stage "two" sh -c "exit 7"; stage "three" true')
    assert status == 7
    assert lines == ["one 0", "two FAILED", "total 0 (budget 60)"]
