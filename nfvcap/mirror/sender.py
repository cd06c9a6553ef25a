# SPDX-License-Identifier: Apache-2.0
"""Where the numbered frames of a mirror test come from: the wire of a lab server, or a port of another machine."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from nfvcap.agent.frame import FLOWS_MAX
from nfvcap.errors import UsageError
from nfvcap.inventory import Inventory
from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS
from nfvcap.mirror.stream import Sent, Stream, frame


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
        ports = {port.address: port.index for port in PORTS}
        if pf not in ports:
            raise UsageError(
                "NFV-MIRROR-032",
                f"the lab has no wire to {pf}",
                f"its ports are {', '.join(ports)}",
                "name another source",
            )
        self._lab, self._port = Lab(lab), ports[pf]

    def send(
        self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:  # fmt: skip
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


def source(words: str, pf: str, inventory: Inventory) -> Source:
    """``lab``, ``lab:NAME``, ``agent:PORT`` for a port of this machine, or ``HOST:PORT`` for one of the inventory's.

    Raises:
        UsageError: NFV-MIRROR-032 no such source; NFV-GUEST-033 the host is not reached by plain ssh.
        NfvcapError: NFV-AGENT-001, -002 the agent cannot be built.
    """
    kind, _, what = words.partition(":")
    if kind == "lab":
        return LabWire(what or "lab", pf)
    if what and (kind == "agent" or kind in inventory.hosts):
        from nfvcap.agent.build import locate
        from nfvcap.door.command import CommandDoor
        from nfvcap.door.find import way_to_host
        from nfvcap.mirror.generator import Generator

        door = CommandDoor("this machine") if kind == "agent" else way_to_host(kind, inventory)[0]
        return Generator(door, locate(), what)
    raise UsageError(
        "NFV-MIRROR-032", f"there is no source {words!r}", "frames have to come from outside of the watched guest",
        "lab or lab:NAME for the wire of a lab server; HOST:INTERFACE for a host of the inventory that is cabled to "
        f"the port ({', '.join(inventory.hosts)}); agent:INTERFACE for this machine",
    )  # fmt: skip
