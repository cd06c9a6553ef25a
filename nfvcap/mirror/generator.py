# SPDX-License-Identifier: Apache-2.0
"""Numbered frames from a port of another machine: the agent's generator there, brought along and taken away again."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from nfvcap.agent.client import Agent
from nfvcap.agent.deploy import deploy
from nfvcap.agent.frame import TAG_BYTES
from nfvcap.agent.options import GenerateOptions
from nfvcap.door.door import Door, must, shell
from nfvcap.mirror.stream import Sent, Stream
from nfvcap.run import Completed

_FCS_BYTES = 4
_START_S = 60.0
_LOOK_S = 0.2
# The process id is known to whoever ends it; the shell becomes the program.
_RUN = 'umask 077; echo $$ >"$1"; shift; exec "$@"'
_STOP = 'for f in "$1"/*.pid; do [ -e "$f" ] && kill -TERM "$(cat "$f")" 2>/dev/null; done; :'


class Generator:
    """Sends through a port of the machine behind ``door``.

    Args:
        program: the agent on this machine.
        port: interface name, or a port as the agent spells it (a PCI address, af_xdp:IFACE).
    """

    def __init__(self, door: Door, program: Path, port: str) -> None:
        self._door, self._program = door, program
        self._port = port if ":" in port else f"af_packet:{port}"

    def send(
        self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:  # fmt: skip
        """See :class:`nfvcap.mirror.sender.Source`.

        Raises:
            NfvcapError: NFV-AGENT-003 the port cannot be used, -006 the agent does not run there; the door's own.
        """
        place = f"/var/tmp/nfvcap-source-{secrets.token_hex(4)}"
        must(shell(self._door, 'umask 077; mkdir "$1"', place), self._door)
        try:
            deploy(self._door, self._program, f"{place}/nfvcap-agent")
            return self._send(place, streams, rate_pps, stop, longest_s)
        finally:
            shell(self._door, 'rm -rf "$1"', place)

    def _send(
        self, place: str, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float
    ) -> list[Sent]:
        # All frames of the generator are of flow 0; numbers that nobody else uses tell this run from others.
        run = (1 + secrets.randbelow(1 << 20)) << 40
        wanted = [self._options(stream, rate_pps, run | at << 32, longest_s) for at, stream in enumerate(streams)]
        with ThreadPoolExecutor(len(wanted)) as pool:
            futures = [
                pool.submit(self._generate, place, at, options, longest_s + _START_S)
                for at, options in enumerate(wanted)
            ]
            try:
                while not stop.is_set() and wait(futures, _LOOK_S).not_done:
                    pass
            finally:
                # Again and again: one that is just starting has not said its process id yet.
                while wait(futures, 0).not_done:
                    shell(self._door, _STOP, place)
                    wait(futures, 1)
            return [Sent(0, run | at << 32, future.result()) for at, future in enumerate(futures)]

    def _options(self, stream: Stream, rate_pps: float, first: int, longest_s: float) -> GenerateOptions:
        tag = TAG_BYTES if stream.vlan else 0
        return GenerateOptions(
            port=self._port, size=str(stream.size_bytes + tag + _FCS_BYTES), rate=f"{rate_pps:g}pps", first=first,
            count=stream.count or None, duration_s=None if stream.count else longest_s, dst_mac=stream.mac,
            vlan=str(stream.vlan) if stream.vlan else None,
        )  # fmt: skip

    def _generate(self, place: str, at: int, options: GenerateOptions, timeout_s: float) -> int:
        """How many frames went out."""

        def runner(argv: Sequence[str], timeout_s: float) -> Completed:
            return self._door.run(["sh", "-c", _RUN, "sh", f"{place}/{at}.pid", *argv], timeout_s)

        return Agent(f"{place}/nfvcap-agent", runner).generate(options, timeout_s=timeout_s).sent
