# SPDX-License-Identifier: Apache-2.0
"""What captures on another machine: a program that runs there and is watched from here. The usual one is the agent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from nfvcap.agent.options import CaptureOptions
from nfvcap.agent.remote import RemoteCapture
from nfvcap.door.door import Door
from nfvcap.verify.packets.path import Captured
from nfvcap.verify.packets.points.local import captured_by
from nfvcap.verify.packets.points.timeline import last_come, last_received

FILE = "captured.pcap"
INTERVAL_S = 0.25
READY_S = 90.0


class Away(Protocol):
    """One capture, in a directory of its own on the machine that captures. All methods raise NfvcapError."""

    def start(self) -> None:
        """Make the directory and capture; what comes when this returns is stored."""

    def received(self) -> int:
        """Packets so far, roughly."""

    def come(self) -> int:
        """The same with those that there was no room for."""

    def alive(self) -> bool:
        """Does it go on?"""

    def messages(self) -> str:
        """What it has said until now."""

    def stop(self) -> Captured:
        """End it with a whole file."""

    def remove(self) -> None:
        """End it, whatever it does, and remove the directory with everything in it."""


@dataclass(frozen=True)
class AgentAway:
    """The agent; see :class:`Away`.

    Args:
        door: the way to the machine.
        program: its path there.
        ports: as the agent spells them.
        longest_s: the capture ends by itself after so long, if nobody ends it.
        options: further words for `nfvcap-agent capture`.
        directory: there.
    """

    door: Door
    program: str
    ports: tuple[str, ...]
    longest_s: float
    options: tuple[str, ...]
    directory: str

    @cached_property
    def _capture(self) -> RemoteCapture:
        return RemoteCapture(self.door, self.program, self.directory)

    def start(self) -> None:
        options = CaptureOptions(
            ports=self.ports, write=f"{self.directory}/{FILE}", wait_link_s=5.0, duration_s=self.longest_s,
            extra=("--stats-interval", f"{INTERVAL_S * 1000:.0f}ms", *self.options),
        )  # fmt: skip
        self._capture.start(options, ready_s=READY_S)

    def received(self) -> int:
        return last_received(self._capture.last_words())

    def come(self) -> int:
        return last_come(self._capture.last_words())

    def alive(self) -> bool:
        return self._capture.alive()

    def messages(self) -> str:
        return self._capture.messages()

    def stop(self) -> Captured:
        report = self._capture.stop()
        made = captured_by(report, report.ports[0].driver, self.messages(), INTERVAL_S)
        if report.stop_reason == "duration":
            return made.ended("the capture ended by itself before it was told to: the controller was late")
        return made

    def remove(self) -> None:
        self._capture.remove()
