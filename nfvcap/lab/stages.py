# SPDX-License-Identifier: Apache-2.0
"""Progress of something that takes minutes: named stages, each with the time that it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Progress for callers that want none."""


class Stages:
    """Says when a stage starts and how long it took; remembers the times.

    Args:
        say: takes one line of progress.
    """

    def __init__(self, say: Say = silent) -> None:
        self.say = say
        self.times_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, expected: str = "") -> Iterator[None]:
        """One stage; ``expected`` says beforehand what it mostly costs (``"about a minute"``)."""
        self.say(f"  {name}" + (f" ({expected})" if expected else "") + " ...")
        started = time.monotonic()
        yield
        took_s = round(time.monotonic() - started, 1)
        # A stage that comes twice counts twice.
        self.times_s[name] = round(self.times_s.get(name, 0) + took_s, 1)
        self.say(f"  {name}: {took_s:.1f} s")

    def total_s(self) -> float:
        """Seconds of all stages together."""
        return round(sum(self.times_s.values()), 1)
