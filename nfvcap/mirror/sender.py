# SPDX-License-Identifier: Apache-2.0
"""Where the numbered frames of a mirror test come from: the wire of a lab server, or an interface of another host."""

from __future__ import annotations

import time
from typing import Protocol

from nfvcap.agent.frame import FrameId, Layout, Tag, build
from nfvcap.errors import UsageError
from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS

_BROADCASTABLE_SOURCE = b"\x02\x00\x00\x6e\x66\xfe"


class Sender(Protocol):
    """Sends frames one after the other; returns how many went onto the link."""

    def send(self, frames: list[bytes], rate_pps: float) -> int: ...


def frames(count: int, size_bytes: int, flow: int, dst_mac: str, vlan: int) -> list[bytes]:
    """Numbered frames 0 to ``count`` - 1 of one flow for one address."""
    tags = (Tag(vlan),) if vlan else ()
    layout = Layout(bytes.fromhex(dst_mac.replace(":", "")), _BROADCASTABLE_SOURCE, tags)
    now_ns = time.time_ns()
    return [
        build(size_bytes + 4 * len(tags), FrameId(number, now_ns + number, flow), layout) for number in range(count)
    ]


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

    def send(self, frames: list[bytes], rate_pps: float) -> int:
        """Evenly spaced; what was late is not caught up in a burst."""
        gap_s, due = 1 / rate_pps, time.monotonic()
        with self._lab.wire(self._port) as end:
            for frame in frames:
                wait_s = due - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                end.send(frame)
                due = max(due, time.monotonic() - gap_s) + gap_s
            return end.sent


def sender(words: str, pf: str) -> Sender:
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
