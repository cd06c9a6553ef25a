# SPDX-License-Identifier: Apache-2.0
"""Where the numbered frames of a mirror test come from: the wire of a lab server."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from nfvcap.agent.frame import FLOWS_MAX
from nfvcap.errors import UsageError
from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS
from nfvcap.mirror.stream import Sent, Stream, frame


class Source(Protocol):
    """Sends streams side by side."""

    def send(self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event) -> list[Sent]:
        """Send ``rate_pps`` frames a second to each address, until all are sent or ``stop`` is set.

        Returns:
            What really went out, in the order of the streams.
        """


class LabWire:
    """The far end of a lab port's cable."""

    def __init__(self, lab: str, pf: str) -> None:
        ports = {port.address: port.index for port in PORTS}
        if pf not in ports:
            raise UsageError(
                "NFV-MIRROR-032",
                f"the lab has no wire to {pf}",
                f"its ports are {', '.join(ports)}",
                "name another source",
            )
        self._lab, self._port = Lab(lab), ports[pf]

    def send(self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event) -> list[Sent]:
        """Evenly spaced; what was late is not caught up in a burst."""
        flow = secrets.randbelow(FLOWS_MAX - len(streams))
        counts = [0] * len(streams)
        gap_s, due = 1 / rate_pps, time.monotonic()
        with self._lab.wire(self._port) as end:
            while not stop.wait(max(0.0, due - time.monotonic())):
                left = [at for at, stream in enumerate(streams) if not stream.count or counts[at] < stream.count]
                if not left:
                    break
                for at in left:
                    end.send(frame(streams[at], flow + at, counts[at]))
                    counts[at] += 1
                due = max(due, time.monotonic() - gap_s) + gap_s
        return [Sent(flow + at, 0, count) for at, count in enumerate(counts)]


def source(words: str, pf: str) -> Source:
    """``lab`` or ``lab:NAME``.

    Raises:
        UsageError: NFV-MIRROR-032 no such source.
    """
    kind, _, name = words.partition(":")
    if kind == "lab":
        return LabWire(name or "lab", pf)
    raise UsageError(
        "NFV-MIRROR-032", f"there is no source {words!r}", "frames have to come from outside of the watched guest",
        "lab or lab:NAME for the wire of a lab server",
    )  # fmt: skip
