# SPDX-License-Identifier: Apache-2.0
"""The seam: where packets come from, where they are captured, and what was counted between.

A new source is one file in ``sources``, a new capture point (a guest) one file in ``points``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from nfvcap.model.measurement import Sample, Traffic


@dataclass(frozen=True)
class Order:
    """What a source is asked for: so many frames, at so many a second (None: as fast as it can)."""

    traffic: Traffic
    packets: int
    rate_pps: int | None


@dataclass(frozen=True)
class Sent:
    """What a source says that it did. Every frame has a number: sent = what it gave to the link."""

    numbered: int  # frames that had their turn, whatever became of them
    omitted: int = 0  # left out on request
    refused: int = 0  # the link had no room when they were due
    unsent: int = 0  # given up at the end
    errors: int = 0  # refused by the driver
    duration_ns: int = 0
    slipped_ns: int = 0  # how far the schedule slipped altogether
    flows: int = 1
    per_flow: tuple[tuple[int, int], ...] = ()  # (flow, numbers used) of a replayed file, where they differ
    unnumbered: int = 0  # frames of a replayed file that carry no number: counted, not recognised
    interrupted: bool = False

    @property
    def on_the_link(self) -> int:
        return self.numbered - self.omitted - self.refused - self.errors


@dataclass(frozen=True)
class Captured:
    """What the capture counted; None where its driver cannot see a loss."""

    driver: str
    received: int
    stored: int
    filtered: int = 0
    lost_buffer: int = 0
    lost_full: int = 0
    lost_write: int = 0
    nic_missed: int | None = 0
    nic_errors: int = 0
    nic_no_mbuf: int = 0
    clock_steps: int = 0
    failure: str = ""
    ended_early: str = ""  # why it did not take all that came, where nobody asked it to end
    timeline: tuple[Sample, ...] = ()
    at_interface: int | None = None  # received by the kernel's interface that is captured from, strangers' included
    dropped_in_kernel: int = 0  # by the kernel behind that interface, as its rx_dropped says

    def ended(self, why: str) -> Captured:
        """The same, of a capture that had ended before it was told to."""
        return replace(self, ended_early=why)

    def seen_by_interface(self, packets: int, dropped: int = 0) -> Captured:
        """The same, with what the interface in front of it counted: received, and dropped behind it."""
        return replace(self, at_interface=packets, dropped_in_kernel=dropped)


@dataclass(frozen=True)
class Recount:
    """What is in the closed file; the reference for everything."""

    packets: int
    distinct: int  # numbered frames that were sent and are there, each once
    duplicates: int = 0
    reordered: int = 0
    corrupt: int = 0
    foreign: int = 0
    invented: int = 0  # numbers beyond what was sent
    sizes: Mapping[int, int] = field(default_factory=dict)  # size with frame check sequence → frames
    damaged: str = ""  # why the file itself is not whole
    missing: tuple[tuple[int, int, int], ...] = ()  # the first ranges: (flow, first number, last number)
    missing_ranges: int = 0  # how many there are
    per_flow: tuple[tuple[int, int], ...] = ()  # (flow, distinct frames); of paths to several VFs each is a flow


class Emission(Protocol):
    """A source at work."""

    def done(self) -> bool:
        """Is everything sent, or does it not go on?"""

    def wait(self, timeout_s: float) -> Sent:
        """Wait until everything is sent, and say what was. Raises NfvcapError."""


class Source(Protocol):
    """Where numbered frames come from."""

    name: str
    limits_known: bool  # does it say itself when it could not keep to its schedule?

    def sending(self, order: Order) -> AbstractContextManager[Emission]:
        """Begin to send; leaving the block ends it at once, whatever happens."""

    def ceiling_pps(self, traffic: Traffic) -> int:
        """How fast it is alone, measured now."""


class Capturing(Protocol):
    """A capture that is ready: what comes now is stored."""

    def received(self) -> int:
        """Packets so far, roughly: to see that nothing comes any more."""

    def check(self) -> None:
        """Does it go on, and can it be reached? Raises NfvcapError: it does not."""

    def finish(self) -> Captured:
        """Close the file. Raises NfvcapError."""

    def recount(self, sent: Sent) -> Recount:
        """Count what is in the closed file, by another program than the one that wrote it."""


class CapturePoint(Protocol):
    """Where the agent captures."""

    @property
    def name(self) -> str:
        """Where, for people."""

    def capturing(self) -> AbstractContextManager[Capturing]:
        """A capture into a file of its own, gone when the block is left."""

    def room_bytes(self) -> int:
        """What one file may hold."""

    def diagnosis(self) -> str:
        """What can be said where it captures about the way to it, when the path is broken; "" for nothing."""


class Observer(Protocol):
    """Counters between source and capture point: those of a PF, a switch. Read before READY and after the drain."""

    def read(self) -> Mapping[str, int]:
        """Key of a row of the waterfall → packets lost there so far."""


@dataclass(frozen=True)
class Path:
    """One way from a source to a file."""

    name: str
    source: Source
    point: CapturePoint
    attachment: str
    engine: str
    link_mbps: int
    label: Literal["performance", "functional", "virtual"]
    label_note: str
    captured_in: Literal["guest", "host"] | None = None
    pf_driver: str = ""
    vfs: int = 1
    observers: tuple[Observer, ...] = ()
    proof_pps: int = 10_000
    deaf: bool = False  # nobody takes frames from the wire while nobody captures, and the wire then stops its source
    drain_s: float = 0.0  # silence that means something here; a profile may ask for more
    # The receiver's ring is the sender's: a frame without room is refused to the source and nowhere else.
    ring_seen_by_source: bool = False
