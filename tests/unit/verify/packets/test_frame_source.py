# SPDX-License-Identifier: Apache-2.0
"""Numbered frames made in Python: what the lab's wire will carry."""

from __future__ import annotations

from nfvcap.agent.frame import Verdict, judge
from nfvcap.verify.packets.path import Order
from nfvcap.verify.packets.sources.frames import FrameSource
from nfvcap.verify.packets.traffic import traffic


def test_every_frame_has_its_number_and_size() -> None:
    taken: list[bytes] = []
    source = FrameSource(lambda frame: not taken.append(frame), "list")
    with source.sending(Order(traffic("genome:aab", 2), 60, None)) as emission:
        sent = emission.wait(30)
    assert (sent.numbered, sent.refused, sent.flows) == (60, 0, 2)
    found = [judge(frame) for frame in taken]
    assert all(verdict is Verdict.GOOD for verdict, _ in found)
    assert [(ident.flow, ident.seq) for _, ident in found if ident] == [(k % 2, k // 2) for k in range(60)]
    assert sorted(len(frame) for frame in taken[:3]) == [60, 60, 124]


def test_each_of_several_guests_gets_the_whole_mix() -> None:
    """Ten sizes a round and two guests: in a fixed order each guest would get the same five sizes for ever."""
    taken: list[bytes] = []
    source = FrameSource(lambda frame: not taken.append(frame), "list")
    mix = traffic("965", 2)
    with source.sending(Order(mix, 2000, None)) as emission:
        emission.wait(60)
    means = [sum(map(len, taken[guest::2])) / 1000 + 4 for guest in (0, 1)]
    assert all(abs(mean - 965) < 60 for mean in means) and abs(sum(means) / 2 - 965) < 1


def test_what_is_not_taken_is_refused() -> None:
    numbers = iter(range(100))
    source = FrameSource(lambda frame: next(numbers) % 10 != 0, "picky")
    with source.sending(Order(traffic("64"), 100, None)) as emission:
        assert emission.wait(30).refused == 10


def test_it_keeps_its_pace_and_stops_when_told() -> None:
    source = FrameSource(lambda frame: True, "void")
    with source.sending(Order(traffic("64"), 200, 1000)) as emission:
        sent = emission.wait(30)
    assert sent.duration_ns >= 150_000_000
    with source.sending(Order(traffic("64"), 10**9, 1000)) as emission:
        pass
    assert 0 <= emission.wait(0.1).numbered < 10_000 and not emission.is_alive()
    assert source.ceiling_pps(traffic("64")) > 100
