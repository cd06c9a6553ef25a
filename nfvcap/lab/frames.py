# SPDX-License-Identifier: Apache-2.0
"""Numbered frames for trying a wire: an Ethernet frame of a local experimental type, a magic word, a number."""

from __future__ import annotations

import struct
import time

from nfvcap.errors import UsageError
from nfvcap.lab.pace import Pace
from nfvcap.lab.wire import Wire

# IEEE 802 local experimental EtherType: no stack of the lab server takes it for something of its own.
ETHERTYPE = 0x88B5
_MAGIC = b"nfvcapW1"
_HEADER = struct.Struct("!6s6sH8sQ")
MIN_BYTES, MAX_BYTES = 60, 1514
SOURCE = "02:00:00:6e:66:ff"


def mac_bytes(text: str) -> bytes:
    """``02:00:00:00:00:01`` → six bytes.

    Raises:
        UsageError: NFV-LAB-012 that is no address.
    """
    words = text.split(":")
    try:
        raw = bytes(int(word, 16) for word in words if len(word) == 2)
    except ValueError:
        raw = b""
    if len(raw) != 6 or len(words) != 6:
        raise UsageError("NFV-LAB-012", f"{text!r} is no MAC address", "", "six bytes such as 02:00:00:00:00:01")
    return raw


def build(dst: str, number: int, size_bytes: int = MIN_BYTES, src: str = SOURCE) -> bytes:
    """One frame without its check sum, padded with zeros to ``size_bytes`` (60 to 1514)."""
    if not MIN_BYTES <= size_bytes <= MAX_BYTES:
        raise UsageError("NFV-LAB-012", f"a frame cannot have {size_bytes} bytes", "", "60 to 1514")
    head = _HEADER.pack(mac_bytes(dst), mac_bytes(src), ETHERTYPE, _MAGIC, number)
    return head.ljust(size_bytes, b"\0")


def number_of(frame: bytes) -> int | None:
    """The number in a frame made by :func:`build`, None for any other frame."""
    if len(frame) < _HEADER.size:
        return None
    _, _, ethertype, magic, number = _HEADER.unpack_from(frame)
    return int(number) if ethertype == ETHERTYPE and magic == _MAGIC else None


def send_numbered(wire: Wire, dst: str, count: int, size_bytes: int, rate_pps: float) -> None:
    """Send frames 0 to ``count`` - 1, evenly spaced; what was late is not caught up in a burst."""
    pace = Pace(rate_pps)
    for number in range(count):
        pace.wait()
        wire.send(build(dst, number, size_bytes))


def receive_for(wire: Wire, count: int | None, for_s: float) -> int:
    """Receive until ``count`` frames or ``for_s`` seconds have gone by; returns how many of them were numbered."""
    deadline = time.monotonic() + for_s
    numbered = 0
    while (left_s := deadline - time.monotonic()) > 0 and (count is None or wire.received < count):
        frame = wire.receive(left_s)
        if frame is not None and number_of(frame) is not None:
            numbered += 1
    return numbered
