# SPDX-License-Identifier: Apache-2.0
"""Numbered frames from a port of a machine: the agent's generator there, brought along and taken away again."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from nfvcap.agent.brought import brought
from nfvcap.agent.options import GenerateOptions
from nfvcap.door.command import CommandDoor
from nfvcap.mirror.stream import Sent, Stream

_FCS_BYTES = 4
_END_S = 10.0
_LOOK_S = 0.1


class Generator:
    """Sends through a port of the machine behind ``door``.

    Args:
        program: the agent on this machine.
        port: as the agent spells it (af_packet:IFACE, a PCI address).
    """

    def __init__(self, door: CommandDoor, program: Path, port: str) -> None:
        self._door, self._program, self._port = door, program, port

    def send(
        self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:  # fmt: skip
        """See :class:`nfvcap.mirror.sender.Source`.

        Raises:
            NfvcapError: NFV-AGENT-003 the port cannot be used, -006 the agent does not run there; the door's own.
        """
        # All frames of the generator are of flow 0; numbers that nobody else uses tell this run from others.
        run = (1 + secrets.randbelow(1 << 20)) << 40
        with ExitStack() as stack:
            there = stack.enter_context(brought(self._door, self._program))
            running = []
            for at, stream in enumerate(streams):
                scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="nfvcap-send-"))
                options = self._options(stream, rate_pps, run | at << 32, longest_s)
                running.append(stack.enter_context(there.generator(options, Path(scratch))))
            while not all(one.done for one in running) and not stop.wait(_LOOK_S):
                pass
            for one in running:
                one.end()
            return [Sent(0, run | at << 32, one.wait(_END_S).sent) for at, one in enumerate(running)]

    def _options(self, stream: Stream, rate_pps: float, first: int, longest_s: float) -> GenerateOptions:
        return GenerateOptions(
            port=self._port, size=str(stream.size_bytes + _FCS_BYTES), untagged_size=True, rate=f"{rate_pps:g}pps",
            first=first, count=stream.count or None, duration_s=None if stream.count else longest_s,
            dst_mac=(stream.mac,), vlan=(str(stream.vlan),) if stream.vlan else (),
        )  # fmt: skip
