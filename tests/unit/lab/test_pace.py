# SPDX-License-Identifier: Apache-2.0
"""The even pace of frames: who is a little late makes up for it, who is very late does not."""

from __future__ import annotations

import pytest

from nfvcap.lab import pace
from nfvcap.lab.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "time", made)
    return made


def test_frames_are_evenly_spaced(clock: Clock) -> None:
    frames = Pace(10)
    waits = []
    for _ in range(4):
        waits.append(frames.left_s())
        clock.now_s += waits[-1] + 0.02  # what sending takes
    assert waits == pytest.approx([0, 0.08, 0.08, 0.08]) and frames.slipped_s == 0


def test_a_short_delay_is_made_up_for(clock: Clock) -> None:
    frames = Pace(10, behind_s=1.0)
    frames.left_s()
    clock.now_s += 0.35  # three frames are due by now
    assert [frames.left_s() for _ in range(4)] == pytest.approx([0, 0, 0, 0.05])
    assert frames.slipped_s == 0


@pytest.mark.parametrize("behind_s", [0.2, None])
def test_after_a_long_delay_the_schedule_slips(clock: Clock, behind_s: float | None) -> None:
    frames = Pace(10, behind_s)
    frames.left_s()
    clock.now_s += 0.5
    assert [frames.left_s() for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
    assert frames.slipped_s == pytest.approx(0.4)


def test_without_a_rate_nothing_is_late(clock: Clock) -> None:
    frames = Pace(None, behind_s=0.1)
    clock.now_s += 5
    assert frames.left_s() == 0 and frames.slipped_s == 0
