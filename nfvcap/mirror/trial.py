# SPDX-License-Identifier: Apache-2.0
"""Numbered frames sent to a watched guest, counted there and at the monitor: is the copy complete? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nfvcap.errors import ExitCode
from nfvcap.mirror.stream import Sent

Range = tuple[int, int]


@dataclass(frozen=True)
class Heard:
    """Frames of one run at one place.

    Args:
        duplicates: how many came once more.
        ranges: which numbers came, counted from 0, as ascending (first, last) pairs.
    """

    label: str
    duplicates: int
    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, label: str, told: Mapping[str, Any], sent: Sent) -> Heard:
        """What an ear has heard of what was sent; other numbers of the flow are not of this run."""
        pairs = [(int(first) - sent.first, int(last) - sent.first) for first, last in told["ranges"]]
        duplicates = int(told["received"]) - sum(last - first + 1 for first, last in pairs)
        mine = [(max(first, 0), min(last, sent.count - 1)) for first, last in pairs]
        return cls(label, duplicates, tuple((first, last) for first, last in mine if first <= last))

    @property
    def distinct(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def received(self) -> int:
        return self.distinct + self.duplicates

    def missing(self, sent: int) -> tuple[Range, ...]:
        """Numbers 0 to ``sent`` - 1 that did not come."""
        return tuple(_gaps(self.ranges, sent))


def _gaps(ranges: tuple[Range, ...], end: int) -> Iterator[Range]:
    due = 0
    for first, last in ranges:
        if first > due:
            yield due, first - 1
        due = last + 1
    if due < end:
        yield due, end - 1


@dataclass(frozen=True)
class Trial:
    """One run: what was sent, what the watched guest and the monitor got."""

    sent: int
    watched: Heard
    monitor: Heard

    @property
    def lost_copies(self) -> int:
        """Frames that the watched guest got and the monitor did not."""
        numbers = {number for first, last in self.watched.ranges for number in range(first, last + 1)}
        numbers -= {number for first, last in self.monitor.ranges for number in range(first, last + 1)}
        return len(numbers)

    @property
    def code(self) -> ExitCode:
        """CHECK_FAILED: the copy is not complete, or frames came twice. INCONCLUSIVE: the way to the watched guest lost
        frames, so nothing can be said of these."""
        if self.lost_copies or self.watched.duplicates or self.monitor.duplicates:
            return ExitCode.CHECK_FAILED
        return ExitCode.OK if self.watched.distinct == self.sent else ExitCode.INCONCLUSIVE

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": "nfvcap/mirror-test/1",
            "sent": self.sent,
            "lost_copies": self.lost_copies,
            **{name: {"label": heard.label, "received": heard.received, "distinct": heard.distinct,
                      "duplicates": heard.duplicates, "missing": heard.missing(self.sent)}
               for name, heard in (("watched", self.watched), ("monitor", self.monitor))},
        }  # fmt: skip


def words(ranges: tuple[Range, ...], most: int = 8) -> str:
    """``3, 17-20``; long lists are cut and say so."""
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:most]]
    more = len(ranges) - most
    return ", ".join(shown) + (f" and {more} more ranges" if more > 0 else "") if ranges else "none"
