# SPDX-License-Identifier: Apache-2.0
"""When the next frame is due, for whoever sends frames one by one."""

from __future__ import annotations

import time


class Pace:
    """Even spacing.

    Args:
        rate_pps: frames a second; None: as fast as they are taken, nothing is ever late.
        behind_s: who is later than this does not make up for it: the schedule slips. None: no burst at all.

    Attributes:
        slipped_s: how far the schedule has slipped altogether.
    """

    def __init__(self, rate_pps: float | None, behind_s: float | None = None) -> None:
        self._gap_s = 1 / rate_pps if rate_pps else None
        self._behind_s = behind_s if behind_s is not None else self._gap_s or 0.0
        self._due = time.monotonic()
        self.slipped_s = 0.0

    def left_s(self) -> float:
        """How long to wait before the next frame goes; asked once for each frame."""
        if self._gap_s is None:
            return 0.0
        late = time.monotonic() - self._due
        if late > self._behind_s:
            self._due += late
            self.slipped_s += late
        self._due += self._gap_s
        return max(0.0, -late)

    def wait(self) -> None:
        """Sleep until the next frame is due."""
        if left_s := self.left_s():
            time.sleep(left_s)
