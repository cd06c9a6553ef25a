# SPDX-License-Identifier: Apache-2.0
"""Numbers of numbered frames in a capture of tcpdump; the layout of the frames is described in agent/src/frame.h."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PORT = 0xCAFE
_MAGIC = 0x6E66
_SOURCE_PREFIX = 0xC612
_FILE_HEAD_BYTES, _RECORD = 24, struct.Struct("<IIII")
_LITTLE_ENDIAN = (0xA1B2C3D4, 0xA1B23C4D)
_TAGS = (0x8100, 0x88A8)


def numbers(pcap: bytes, flow: int) -> list[int]:
    """Sequence numbers of a flow in the order of arrival; a record that was not written whole ends the list.

    Raises:
        ValueError: that is no capture of this machine.
    """
    if len(pcap) < _FILE_HEAD_BYTES or struct.unpack_from("<I", pcap)[0] not in _LITTLE_ENDIAN:
        raise ValueError("tcpdump has written no capture")
    return [number for number in (number_of(frame, flow) for frame in _frames(pcap)) if number is not None]


def _frames(pcap: bytes) -> Iterator[bytes]:
    at = _FILE_HEAD_BYTES
    while at + _RECORD.size <= len(pcap):
        kept = _RECORD.unpack_from(pcap, at)[2]
        at += _RECORD.size
        if at + kept > len(pcap):
            return
        yield pcap[at : at + kept]
        at += kept


def number_of(frame: bytes, flow: int) -> int | None:
    """The number of a frame of this flow, None for every other frame."""
    at = 12
    while len(frame) > at + 4 and int.from_bytes(frame[at : at + 2], "big") in _TAGS:
        at += 4
    ip = at + 2
    if len(frame) < ip + 38 or frame[at:ip] != b"\x08\x00" or frame[ip] != 0x45:
        return None
    prefix, own_flow = struct.unpack_from("!HH", frame, ip + 12)
    port, magic = int.from_bytes(frame[ip + 22 : ip + 24], "big"), int.from_bytes(frame[ip + 28 : ip + 30], "big")
    if (prefix, own_flow, port, magic) != (_SOURCE_PREFIX, flow, PORT, _MAGIC):
        return None
    return int.from_bytes(frame[ip + 30 : ip + 38], "big")


def in_ranges(found: list[int]) -> list[list[int]]:
    """Distinct numbers as ascending [first, last] pairs."""
    ranges: list[list[int]] = []
    for number in sorted(set(found)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
