# SPDX-License-Identifier: Apache-2.0
"""Numbered frames on their way to one place: what is to be sent, and what then really was. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nfvcap.agent.frame import TAG_BYTES, FrameId, build, from_outside


@dataclass(frozen=True)
class Stream:
    """Frames for one address.

    Args:
        mac: where they go.
        vlan: with this tag, as they are on the cable; 0: none.
        size_bytes: of a frame without tag and check sum.
        count: how many; 0: until the source is told to stop.
    """

    mac: str
    vlan: int
    size_bytes: int
    count: int = 0


@dataclass(frozen=True)
class Sent:
    """Numbers ``first`` to ``first + count - 1`` of a flow went onto the link."""

    flow: int
    first: int
    count: int


def frame(stream: Stream, flow: int, number: int) -> bytes:
    """One frame, as it goes onto the cable."""
    layout = from_outside(stream.mac, stream.vlan)
    return build(stream.size_bytes + TAG_BYTES * len(layout.tags), FrameId(number, time.time_ns(), flow), layout)
