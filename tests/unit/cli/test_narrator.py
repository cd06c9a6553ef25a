# SPDX-License-Identifier: Apache-2.0
"""What programs are told while a path is measured is what they are told of the result afterwards, in the same order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "verify" / "packets"))

from fakes import FRAMES_64, INSTANT, FakeSource, limit, path

from nfvcap.cli import narrator
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Result
from nfvcap.report.jsonl import Events, lines
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.run import Wish


def follow(rate: str) -> tuple[list[dict[str, Any]], Measurement, Result]:
    said: list[str] = []
    events = Events(said.append, "0")
    wish = Wish(INSTANT, FRAMES_64, rate, 60.0, behind=" 64 B")
    where = path(limit(3_000_000), source=FakeSource(ceiling=10_000_000))
    m = narrator.measure("h", where, wish, calibration=None, fingerprint="f", events=events)
    host = HostResult(host="h", environment={"cpu": "c"}, checks=checks(m, "f"), measurements=(m,))
    result = Result(nfvcap_version="0", created_at="later", hosts=(host,))
    events.end(result)
    return [json.loads(line) for line in said], m, result


@pytest.mark.parametrize("rate", ["1000000", "search"])
def test_followed_and_told_again_are_the_same_messages(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    followed, _, result = follow(rate)
    again = [json.loads(line) for line in lines(result)]
    assert {**followed[0], "created_at": ""} == {**again[0], "created_at": ""}
    # A trial is told when it has ended; only later it is known whether it is made again.
    assert [{**one, "superseded": 0} for one in followed[1:]] == [{**one, "superseded": 0} for one in again[1:]]
    assert capsys.readouterr().out == ""  # lines for people go to standard error


def test_the_order_is_begin_measurement_trials_verdicts_end() -> None:
    followed, m, _ = follow("1000000")
    kinds = [one["event"] for one in followed]
    assert kinds[:3] == ["begin", "measurement-begin", "calibration"] and kinds[-1] == "end"
    assert kinds[3 : 3 + len(m.trials)] == ["trial"] * len(m.trials)
    assert kinds[3 + len(m.trials)] == "measurement-end" and kinds[-2] == "host"
    assert {one["measurement"] for one in followed if "measurement" in one} == {"fake 64 B"}
    subjects = [one["subject"] for one in followed if one["event"] == "check"]
    assert m.name == "fake 64 B" and all(subject.startswith(m.name) for subject in subjects)
