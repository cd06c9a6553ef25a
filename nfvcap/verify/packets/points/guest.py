# SPDX-License-Identifier: Apache-2.0
"""A capture in a guest, or on any machine that a door leads to: program, file and recount are all there."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from nfvcap.agent.client import Agent
from nfvcap.agent.remote import remove
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import NfvcapError
from nfvcap.run import tail
from nfvcap.verify.packets.path import Captured, Recount, Sent
from nfvcap.verify.packets.points.away import Away
from nfvcap.verify.packets.points.local import expectation, recounted

NAME = "nfvcap-verify-"
_MEMORY_SHARE = 0.6  # of what is free may go into a file in memory
# Frames received, and frames that were dropped behind that, of each interface.
_COUNTS = """
for i in "$@"; do
  s=/sys/class/net/$i/statistics
  cat "$s/rx_packets" "$s/rx_dropped" || exit 1
done
"""
# Some drivers (iavf) ask their device for its counters each two seconds.
_LATE_S = 2.5
_POLL_S = 0.25
# Bytes that the file system has left, its type, and bytes of memory that are free.
_ROOM = """
df -Pk "$1" | tail -n 1 | while read -r _ _ _ free _ place; do
  kind=$(while read -r _ on kind _; do [ "$on" = "$place" ] && echo "$kind"; done </proc/mounts | tail -n 1)
  echo "$((free * 1024)) ${kind:-unknown} $(($(sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo) * 1024))"
done
"""
_STATE = """
for i in "$@"; do
  s=/sys/class/net/$i
  echo "$i is $(cat $s/operstate), carrier $(cat $s/carrier 2>/dev/null || echo unknown), address $(cat $s/address)," \\
    "$(cat $s/statistics/rx_packets) packets and $(cat $s/statistics/rx_errors) errors received," \\
    "$(cat $s/statistics/rx_missed_errors) missed, $(cat $s/statistics/rx_dropped) dropped"
done
"""


@dataclass(frozen=True)
class Nic:
    """What is captured from: a port as the agent spells it, and the kernel's interface when the kernel has it."""

    port: str
    interface: str = ""
    keys: str = ""  # goes behind the port, and into no report


class Counted(NamedTuple):
    """By interfaces of the kernel, since they are there."""

    received: int
    dropped: int

    def since(self, before: Counted) -> Counted:
        return Counted(self.received - before.received, self.dropped - before.dropped)


@dataclass
class GuestPoint:
    """See :class:`nfvcap.verify.packets.path.CapturePoint`.

    Args:
        door: the way into the guest.
        agent: recounts there.
        nics: what is captured from, one or more.
        directory: where files go for the length of a trial; in the guest.
        away: what captures, by the directory that it gets for itself.
    """

    door: Door
    agent: Agent
    nics: tuple[Nic, ...]
    directory: str
    away: Callable[[str], Away]

    @property
    def name(self) -> str:
        return f"{self.door.name}, {', '.join(nic.port for nic in self.nics)}, file in {self.directory}"

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Of the kernel; () when DPDK has the devices."""
        return tuple(nic.interface for nic in self.nics if nic.interface)

    @contextmanager
    def capturing(self) -> Iterator[GuestCapturing]:
        """See :class:`nfvcap.verify.packets.path.CapturePoint`."""
        directory = str(PurePosixPath(self.directory) / f"{NAME}{secrets.token_hex(4)}")
        away = self.away(directory)
        try:
            away.start()
            # Behind READY and before the source begins: what is counted from here on is ours, or of strangers.
            yield GuestCapturing(self, away, directory, self.at_interfaces())
        except BaseException:
            # The first failure is the one to be told. A guest that cannot be reached ends its capture by itself.
            with contextlib.suppress(NfvcapError):
                away.remove()
            raise
        away.remove()

    def room_bytes(self) -> int:
        """Free space there; in memory not more than a share of what is free."""
        words = must(shell(self.door, _ROOM, self.directory), self.door).split()
        free, kind, memory = int(words[0]), words[1], int(words[2])
        return min(free, int(memory * _MEMORY_SHARE)) if kind in {"tmpfs", "rootfs", "ramfs"} else free

    def at_interfaces(self) -> Counted | None:
        """What the kernel's interfaces have counted so far, in all; None when DPDK has the devices."""
        if len(self.interfaces) < len(self.nics):
            return None
        words = [int(word) for word in must(shell(self.door, _COUNTS, *self.interfaces), self.door).split()]
        return Counted(sum(words[::2]), sum(words[1::2]))

    def diagnosis(self) -> str:
        """What the guest says about the way to it, when frames do not arrive."""
        if not self.interfaces:
            return "DPDK has the device in the guest: is its link up, and is the VF's MAC address the one sent to?"
        return "; ".join(shell(self.door, _STATE, *self.interfaces).stdout.splitlines())

    def sweep(self) -> int:
        """Remove what an earlier verification that was killed has left; returns how many directories."""
        return sweep(self.door, self.directory)


@dataclass
class GuestCapturing:
    """See :class:`nfvcap.verify.packets.path.Capturing`."""

    point: GuestPoint
    away: Away
    directory: str
    before: Counted | None

    def received(self) -> int:
        return self.away.received()

    def check(self) -> None:
        if not self.away.alive():
            said = tail(self.away.messages()) or "it has left no word"
            raise NfvcapError("NFV-AGENT-003", f"the capture on {self.point.door.name} does not go on", said,
                              "does the machine run, and who has ended the capture there?")  # fmt: skip

    def finish(self) -> Captured:
        counted = self._counted()
        made = self.away.stop()
        return made if counted is None else made.seen_by_interface(*counted)

    def _counted(self) -> Counted | None:
        """By the interfaces since the capture was ready. One that has not counted yet what is behind it is late."""
        deadline = time.monotonic() + _LATE_S
        while self.before is not None and (now := self.point.at_interfaces()) is not None:
            counted = now.since(self.before)
            if counted.received >= self.away.come() or time.monotonic() >= deadline:
                return counted
            time.sleep(_POLL_S)
        return None

    def recount(self, sent: Sent) -> Recount:
        files = must(shell(self.point.door, 'ls "$1"/captured*.pcap', self.directory), self.point.door).split()
        return recounted(self.point.agent.check(expectation(tuple(files), sent)), sent)


def sweep(door: Door, directory: str) -> int:
    """End captures that a verification that was killed has left there, and remove their directories; how many."""
    there = shell(door, 'ls -d "$1/$2"* 2>/dev/null', directory, NAME).stdout.split()
    if there:
        remove(door, there)
    return len(there)
