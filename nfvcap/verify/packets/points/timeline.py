# SPDX-License-Identifier: Apache-2.0
"""What a capture counted from time to time, as a timeline; of the agent, the lines of `--stats-interval`."""

from __future__ import annotations

import re

from nfvcap.agent.reports import QueueCounters
from nfvcap.model.measurement import Sample

_LINE = re.compile(
    r"^received (\d+) stored (\d+) counted (\d+) buffered \d+ filtered \d+ lost: buffer (\d+) full (\d+) write (\d+) "
    r"nic (\d+)(?: without link \d+ ms)?$", re.M,
)  # fmt: skip
_LONGEST = 120  # samples that a picture can show
Point = tuple[int, int, int]
"""Received, stored, lost; all since the capture began."""


def last_received(messages: str) -> int:
    """Packets at the last line; 0 before there is one."""
    return _last(messages)[0]


def last_come(messages: str) -> int:
    """The same with those that the port had no room for."""
    words = _last(messages)
    return words[0] + words[-1]


def _last(messages: str) -> list[int]:
    lines = _LINE.findall(messages[-4096:])
    return [int(word) for word in lines[-1]] if lines else [0, 0]


def timeline(messages: str, interval_s: float, final: QueueCounters, nic_missed: int) -> tuple[Sample, ...]:
    """Of the lines that the agent prints; behind the last one stands its report."""
    points: list[Point] = [
        (int(words[0]), int(words[1]) + int(words[2]), sum(map(int, words[3:]))) for words in _LINE.findall(messages)
    ]
    points.append((final.received, final.stored + final.counted, final.lost + nic_missed))
    return samples(points, interval_s)


def samples(points: list[Point], interval_s: float) -> tuple[Sample, ...]:
    """Differences from point to point; idle time before the first packet and after the last one is left out."""
    step = 1
    while len(points) / step > _LONGEST:
        step *= 10 if step == 1 else 2  # tenths become seconds first
    points = [*points[step - 1 :: step], points[-1]] if step > 1 else points
    made, before = [], (0, 0, 0)
    for number, point in enumerate(points, 1):
        change = tuple(now - then for now, then in zip(point, before, strict=True))
        made.append(Sample(end_s=round(number * step * interval_s, 3), received=change[0], stored=change[1],
                              lost=change[2]))  # fmt: skip
        before = point
    busy = [index for index, sample in enumerate(made) if sample.received or sample.lost]
    return tuple(made[busy[0] : busy[-1] + 1]) if busy else ()
