# SPDX-License-Identifier: Apache-2.0
"""Numbered frames made here and handed to anything that takes one frame at a time, such as the lab's wire.

Python makes some ten thousand frames a second: enough for an emulated machine, whose figures are `functional` anyway.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nfvcap.agent.frame import TAG_BYTES, FrameId, Layout, build
from nfvcap.lab.pace import Pace
from nfvcap.model.measurement import Traffic
from nfvcap.verify.packets.accounting import FCS_BYTES
from nfvcap.verify.packets.path import Order, Sent
from nfvcap.verify.packets.traffic import MIX_SEED

_CALIBRATION_S = 0.5
_NOBODY = Layout(dst_mac=b"\x02\x00\x00\x6e\x66\x00")
BEHIND_S = 0.05
"""Who is later than this does not make up for it: the schedule slips."""


class FrameSource:
    """Sends through ``send``, which says whether the frame was taken.

    Args:
        send: hands one frame (without frame check sequence) to the link.
        name: for people.
        layouts: MAC addresses and tags; with several of them flow k gets the k-th one. A tag comes on top of the size,
            as the port of a VF with a VLAN takes it off again.
        omit_every: leave out each so manieth frame, to test whoever counts.
        behind_s: a delay up to this long is made up for in a burst.
    """

    limits_known = True

    def __init__(
        self, send: Callable[[bytes], bool], name: str, layouts: Sequence[Layout] = (), omit_every: int = 0,
        behind_s: float = BEHIND_S,
    ) -> None:  # fmt: skip
        self.name = name
        self._send, self._layouts, self._omit_every = send, tuple(layouts) or (Layout(),), omit_every
        self._behind_s = behind_s

    @contextmanager
    def sending(self, order: Order) -> Iterator[_Emission]:
        """See :class:`nfvcap.verify.packets.path.Source`."""
        emission = _Emission(self._send, self._layouts, order, self._omit_every, self._behind_s)
        emission.start()
        try:
            yield emission
        finally:
            emission.stop()

    def ceiling_pps(self, traffic: Traffic) -> int:
        """How fast frames are made and taken by the link, when they are for an address that nobody has."""
        made, begun = 0, time.monotonic()
        sizes = itertools.cycle(traffic.sizes_bytes)
        while time.monotonic() - begun < _CALIBRATION_S:
            self._send(build(next(sizes) - FCS_BYTES, FrameId(made, time.time_ns()), _NOBODY))
            made += 1
        return int(made / (time.monotonic() - begun))


def _mixed(sizes_bytes: Sequence[int]) -> Iterator[int]:
    """Round after round, each in an order of its own: frame k goes to guest k modulo their number, and each shall get
    the mix."""
    dice = random.Random(MIX_SEED)
    while True:
        one = list(sizes_bytes)
        dice.shuffle(one)
        yield from one


class _Emission(threading.Thread):
    def __init__(
        self, send: Callable[[bytes], bool], layouts: tuple[Layout, ...], order: Order, omit_every: int,
        behind_s: float,
    ) -> None:  # fmt: skip
        super().__init__(name="frame source", daemon=True)
        self._to, self._layouts, self._order, self._omit_every = send, layouts, order, omit_every
        self._stop_asked = threading.Event()
        self._pace = Pace(order.rate_pps, behind_s)
        self._numbered = self._refused = self._omitted = 0
        self._first_ns = self._last_ns = 0
        self._error: BaseException | None = None

    def done(self) -> bool:
        return not self.is_alive()

    def wait(self, timeout_s: float) -> Sent:
        self.join(timeout_s)
        late = self.is_alive()
        self.stop()  # what it has sent is only known once it sends no more
        if self._error is not None:
            raise self._error
        return Sent(
            numbered=self._numbered, omitted=self._omitted, refused=self._refused,
            duration_ns=self._last_ns - self._first_ns, slipped_ns=int(self._pace.slipped_s * 1e9),
            flows=self._order.traffic.flows, interrupted=late,
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
        sizes = _mixed(order.traffic.sizes_bytes)
        while self._numbered < order.packets and not self._stop_asked.is_set():
            self._pace.wait()
            k = self._numbered
            layout = self._layouts[k % flows % len(self._layouts)]
            size = next(sizes) - FCS_BYTES + TAG_BYTES * len(layout.tags)
            if self._omit_every and (k + 1) % self._omit_every == 0:
                self._omitted += 1
            else:
                frame = build(size, FrameId(k // flows, time.time_ns(), k % flows), layout)
                self._refused += not self._to(frame)
            self._numbered += 1
            self._last_ns = time.monotonic_ns()
            self._first_ns = self._first_ns or self._last_ns
