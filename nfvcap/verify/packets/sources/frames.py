# SPDX-License-Identifier: Apache-2.0
"""Numbered frames made here and handed to anything that takes one frame at a time, such as the lab's wire.

Python makes some ten thousand frames a second: enough for an emulated machine, whose figures are `functional` anyway.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nfvcap.agent.frame import FrameId, Layout, build
from nfvcap.model.measurement import Traffic
from nfvcap.verify.packets.accounting import FCS_BYTES
from nfvcap.verify.packets.path import Order, Sent

_CALIBRATION_S = 0.5
_BEHIND_S = 0.05  # who is later than this does not make up for it: the schedule slips


class FrameSource:
    """Sends through ``send``, which says whether the frame was taken.

    Args:
        send: hands one frame (without frame check sequence) to the link.
        name: for people.
        layout: MAC addresses and tags.
    """

    limits_known = True

    def __init__(self, send: Callable[[bytes], bool], name: str, layout: Layout | None = None) -> None:
        self.name = name
        self._send, self._layout = send, layout or Layout()

    @contextmanager
    def sending(self, order: Order) -> Iterator[_Emission]:
        """See :class:`nfvcap.verify.packets.path.Source`."""
        emission = _Emission(self._send, self._layout, order)
        emission.start()
        try:
            yield emission
        finally:
            emission.stop()

    def ceiling_pps(self, traffic: Traffic) -> int:
        """How fast frames are made, when nobody takes them."""
        made, begun = 0, time.monotonic()
        sizes = itertools.cycle(traffic.sizes_bytes)
        while time.monotonic() - begun < _CALIBRATION_S:
            build(next(sizes) - FCS_BYTES, FrameId(made, time.time_ns()), self._layout)
            made += 1
        return int(made / (time.monotonic() - begun))


class _Emission(threading.Thread):
    def __init__(self, send: Callable[[bytes], bool], layout: Layout, order: Order) -> None:
        super().__init__(name="frame source", daemon=True)
        self._to, self._layout, self._order = send, layout, order
        self._stop_asked = threading.Event()
        self._numbered = self._refused = self._slipped_ns = 0
        self._first_ns = self._last_ns = 0
        self._error: BaseException | None = None

    def wait(self, timeout_s: float) -> Sent:
        self.join(timeout_s)
        if self._error is not None:
            raise self._error
        return Sent(
            numbered=self._numbered, refused=self._refused, duration_ns=self._last_ns - self._first_ns,
            slipped_ns=self._slipped_ns, flows=self._order.traffic.flows, interrupted=self.is_alive(),
        )  # fmt: skip

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:
            self._error = error

    def _run(self) -> None:
        order, flows = self._order, self._order.traffic.flows
        sizes = itertools.cycle(order.traffic.sizes_bytes)
        gap_s = 1 / order.rate_pps if order.rate_pps else 0.0
        due = time.monotonic()
        while self._numbered < order.packets and not self._stop_asked.is_set():
            late = time.monotonic() - due
            if late < 0:
                time.sleep(-late)
            elif late > _BEHIND_S:
                due += late
                self._slipped_ns += int(late * 1e9)
            due += gap_s
            k = self._numbered
            frame = build(next(sizes) - FCS_BYTES, FrameId(k // flows, time.time_ns(), k % flows), self._layout)
            self._refused += not self._to(frame)
            self._numbered += 1
            self._last_ns = time.monotonic_ns()
            self._first_ns = self._first_ns or self._last_ns
