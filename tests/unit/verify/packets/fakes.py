# SPDX-License-Identifier: Apache-2.0
"""Sources and capture points that behave in a known way: a verifier has to say so."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from nfvcap.model.measurement import Traffic
from nfvcap.verify.packets.path import Captured, Order, Path, Recount, Sent
from nfvcap.verify.packets.profiles import PROFILES, Profile
from nfvcap.verify.packets.traffic import traffic

FRAMES_64 = traffic("64")
INSTANT: Profile = replace(PROFILES["quick"], drain_s=0.0, settle_s=0.0, retries=0)
Loses = Callable[[int, int], int]
"""(rate in packets a second, frames sent) → frames lost at the ring."""


def limit(pps: int) -> Loses:
    """Everything above this rate is lost, nothing below it."""
    return lambda rate, sent: 0 if rate <= pps else sent - sent * pps // rate


def noisy(pps: int, seed: int = 1) -> Loses:
    """A limit that moves by a tenth from trial to trial."""
    dice = random.Random(seed)

    def loses(rate: int, sent: int) -> int:
        return limit(int(pps * dice.uniform(0.9, 1.1)))(rate, sent)

    return loses


def inverted(pps: int) -> Loses:
    """Loses at low rates and not at high ones, as a power-saving CPU may."""
    return lambda rate, sent: sent // 10 if rate < pps else 0


def dead(rate: int, sent: int) -> int:
    return sent


@dataclass
class FakeSource:
    """Sends at most so much; may say that it sent more than it did (``lie``), or less, from a rate on."""

    name: str = "fake"
    ceiling: int = 100_000_000
    lie: float = 0.0
    lie_from_pps: int = 0
    limits_known: bool = True
    orders: list[Order] = field(default_factory=list)
    really: int = 0

    @contextmanager
    def sending(self, order: Order) -> Iterator[FakeSource]:
        self.orders.append(order)
        yield self

    def done(self) -> bool:
        return True

    def wait(self, timeout_s: float) -> Sent:
        order = self.orders[-1]
        rate = min(order.rate_pps or self.ceiling, self.ceiling)
        self.really = order.packets
        lie = self.lie if rate >= self.lie_from_pps else 0.0
        return Sent(numbered=round(order.packets * (1 + lie)), duration_ns=order.packets * 10**9 // rate)

    def ceiling_pps(self, traffic: Traffic) -> int:
        return self.ceiling


@dataclass
class FakePoint:
    """Captures what the law of its loss leaves; the ring says how much that was, unless it is blind or wrong."""

    source: FakeSource
    loses: Loses
    driver: str = "net_fake"
    name: str = "fake point"
    blind: bool = False
    overcounts: int = 0
    clock_steps: Callable[[int], int] = lambda rate: 0
    """rate in packets a second → how often the clock was set meanwhile"""
    lost: int = 0  # in the trial that is going on

    @contextmanager
    def capturing(self) -> Iterator[FakePoint]:
        yield self

    def room_bytes(self) -> int:
        return 1 << 60

    def diagnosis(self) -> str:
        return ""

    def received(self) -> int:
        return 0

    def check(self) -> None:
        pass

    def finish(self) -> Captured:
        order = self.source.orders[-1]
        # The proof of the path is sent slowly, and arrives unless everything is dead.
        is_proof = order.packets <= 100 and self.loses is not dead
        self.lost = 0 if is_proof else self.loses(order.rate_pps or 0, self.source.really)
        there = self.source.really - self.lost
        missed = None if self.blind else self.lost + (0 if is_proof else self.overcounts)
        steps = self.clock_steps(order.rate_pps or 0)
        return Captured(self.driver, received=there, stored=there, nic_missed=missed, clock_steps=steps)

    def recount(self, sent: Sent) -> Recount:
        there = self.source.really - self.lost
        known = min(there, sent.numbered)
        return Recount(packets=there, distinct=known, invented=there - known, sizes={64: there})


def path(loses: Loses, *, source: FakeSource | None = None, **point: object) -> Path:
    source = source or FakeSource()
    return Path(
        name="fake", source=source, point=FakePoint(source, loses, **point), attachment="none", engine="none",
        link_mbps=10_000, label="virtual", label_note="made up",
    )  # type: ignore[arg-type]  # fmt: skip
