# SPDX-License-Identifier: Apache-2.0
"""The cable of a lab server's port as a source: a frame that the emulated machine has no room for waits, none is lost.

What the port itself does with a frame (no descriptor, address not wanted) is behind the cable, and seen further on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nfvcap.agent.frame import Layout
from nfvcap.lab.wire import Wire
from nfvcap.verify.packets.sources.frames import FrameSource

_BEHIND_S = 0.1  # an emulated machine stands still for so long; its ring takes the burst that makes up for it
_DRAIN_EVERY = 1024
_TAKEN_S = 10.0  # a machine that takes no frame for so long is not slow any more


@contextmanager
def wire_source(wire: Wire, name: str, layouts: Sequence[Layout], omit_every: int = 0) -> Iterator[FrameSource]:
    """A source that has this end of the cable as long as the block.

    Raises:
        LabError: NFV-LAB-007 the machine is gone, NFV-LAB-008 somebody else has the cable; NFV-LAB-010 while it sends.
    """

    def send(frame: bytes) -> bool:
        wire.send(frame, _TAKEN_S)
        if wire.sent % _DRAIN_EVERY == 0:
            wire.drain()  # what the machine sends is of no interest, and must not be what it waits for
        return True

    with wire:
        yield FrameSource(send, name, layouts, omit_every, _BEHIND_S)
