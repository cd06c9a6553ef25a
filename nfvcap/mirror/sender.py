# SPDX-License-Identifier: Apache-2.0
"""Where the numbered frames of a mirror test come from: the wire of a lab server, or a port of a machine."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from typing import Protocol

from nfvcap.agent.frame import FLOWS_MAX
from nfvcap.lab import Lab
from nfvcap.lab.pace import Pace
from nfvcap.mirror.stream import Sent, Stream, frame
from nfvcap.verify.packets.sources.origin import Origin, wire_to


class Source(Protocol):
    """Sends streams side by side."""

    def send(
        self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:  # fmt: skip
        """Send ``rate_pps`` frames a second to each address, until all are sent or ``stop`` is set.

        Args:
            longest_s: a source that nobody can stop any more ends by itself after this time.

        Returns:
            What really went out, in the order of the streams.
        """


class LabWire:
    """The far end of a lab port's cable."""

    def __init__(self, lab: str, pf: str) -> None:
        self._lab, self._port = Lab(lab), wire_to([pf])

    def send(
        self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:  # fmt: skip
        """Evenly spaced; what was late is not caught up in a burst."""
        flow = secrets.randbelow(FLOWS_MAX - len(streams))
        counts, pace = [0] * len(streams), Pace(rate_pps)
        with self._lab.wire(self._port) as end:
            while not stop.wait(pace.left_s()):
                left = [at for at, stream in enumerate(streams) if not stream.count or counts[at] < stream.count]
                if not left:
                    break
                for at in left:
                    end.send(frame(streams[at], flow + at, counts[at]))
                    counts[at] += 1
        return [Sent(flow + at, 0, count) for at, count in enumerate(counts)]


def source(origin: Origin, pf: str) -> Source:
    """The source of frames that come to a PF.

    Raises:
        UsageError: NFV-PKT-211 no wire of a lab leads to it.
        NfvcapError: NFV-AGENT-001, -002 the agent cannot be built.
    """
    if origin.kind == "lab":
        return LabWire(origin.what, pf)
    from nfvcap.agent.build import locate
    from nfvcap.door.command import CommandDoor
    from nfvcap.mirror.generator import Generator

    return Generator(origin.door or CommandDoor("this machine"), locate(), origin.what)
