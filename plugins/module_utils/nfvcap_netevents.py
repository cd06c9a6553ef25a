# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of interfaces and devices as it happens: netlink route events and device events (uevents)."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass

_NETLINK_ROUTE, _NETLINK_KOBJECT_UEVENT = 0, 15
_LINK_GROUP = 1
_KERNEL_GROUP = 1
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, changed flags
_NEWLINK, _DELLINK = 16, 17
_UP, _RUNNING, _LOWER_UP = 0x1, 0x40, 0x10000
_DEVICES = (b"pci", b"net")
# A reset tells itself in a burst; one look after it is enough.
_SETTLE_S = 0.05


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        words: for people.
        is_reset: an interface went up or down, or a device came, went or changed its driver: a card may have forgotten
            what it was told. Other events (somebody set an attribute) only mean that a look is due.
    """

    words: str
    is_reset: bool


class NetEvents:
    """Both sockets; use as a context manager."""

    def __init__(self) -> None:
        self._flags: dict[int, int] = {}

    def __enter__(self) -> NetEvents:
        self._route = self._open(_NETLINK_ROUTE, _LINK_GROUP)
        self._devices = self._open(_NETLINK_KOBJECT_UEVENT, _KERNEL_GROUP)
        return self

    def __exit__(self, *_: object) -> None:
        self._route.close()
        self._devices.close()

    @staticmethod
    def _open(family: int, group: int) -> socket.socket:
        door = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        door.bind((0, group))
        door.setblocking(False)
        return door

    def wait(self, timeout_s: float) -> list[Event]:
        """Wait for something to happen and tell what it was; nothing when the time is up."""
        ready, _, _ = select.select([self._route, self._devices], [], [], max(0.0, timeout_s))
        if not ready:
            return []
        time.sleep(_SETTLE_S)
        return list(dict.fromkeys([*self._links(), *self._uevents()]))

    def _links(self) -> list[Event]:
        found = []
        for datagram in _drain(self._route):
            data = datagram
            while len(data) >= _HEADER.size:
                size, kind, *_ = _HEADER.unpack_from(data)
                if kind in (_NEWLINK, _DELLINK):
                    found.append(self._link(kind, data[_HEADER.size :]))
                if size < _HEADER.size:
                    break
                data = data[(size + 3) & ~3 :]
        return found

    def _link(self, kind: int, data: bytes) -> Event:
        if len(data) < _LINK.size:
            return Event("events were lost", True)
        _, _, index, flags, _ = _LINK.unpack_from(data)
        flags &= _UP | _RUNNING | _LOWER_UP
        if kind == _DELLINK:
            self._flags.pop(index, None)
            return Event(f"interface {index} is gone", True)
        # Setting an attribute of a VF makes an event of its PF as well: without a change of flags nothing was reset.
        if self._flags.get(index) == flags:
            return Event(f"interface {index} has an attribute changed", False)
        self._flags[index] = flags
        state = "up" if flags & _LOWER_UP else "up without carrier" if flags & _UP else "down"
        return Event(f"interface {index} is {state}", True)

    def _uevents(self) -> list[Event]:
        found = []
        for data in _drain(self._devices):
            words = dict(part.split(b"=", 1) for part in data.split(b"\0") if b"=" in part)
            if words.get(b"SUBSYSTEM") in _DEVICES:
                path = words.get(b"DEVPATH", b"").decode("ascii", "replace").rsplit("/", 1)[-1]
                found.append(Event(f"{words.get(b'ACTION', b'change').decode('ascii', 'replace')} {path}", True))
        return found


def _drain(door: socket.socket) -> list[bytes]:
    """Everything that has come. Events that were lost by a full buffer (ENOBUFS) mean a look at everything, too."""
    found = []
    with suppress(BlockingIOError):
        while True:
            try:
                found.append(door.recv(65536))
            except BlockingIOError:
                raise
            except OSError:
                found.append(_HEADER.pack(_HEADER.size, _NEWLINK, 0, 0, 0))
    return found
