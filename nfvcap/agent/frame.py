# SPDX-License-Identifier: Apache-2.0
"""The numbered frame in pure Python: what `nfvcap-agent generate` sends and `nfvcap-agent check` recounts.

A mirror of agent/src/frame.h, where the layout, the formulas and the reasons are. A test holds the two together
byte for byte; change both or none.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field

SIZE_MIN_BYTES = 60
"""Smallest untagged frame, without its frame check sequence (64 bytes on the wire)."""
TAG_BYTES = 4
TAGS_MAX = 2
FLOWS_MAX = 65536
PORT = 0xCAFE
MAGIC = 0x6E66

_L2_BYTES = 14
_IP_BYTES = 46  # from the IPv4 header to the end of the transmit time
_K1 = 0x9E3779B97F4A7C15
_K2 = 0xD6E8FEB86659FD93
_MASK = 0xFFFFFFFFFFFFFFFF
_SOURCE_PREFIX = 0xC612  # 198.18, RFC 2544
_DESTINATION = 0xC6130001  # 198.19.0.1
_OUTSIDE = b"\x02\x00\x00\x6e\x66\xfe"  # whoever is at the other end of the cable
_TAG_TYPES = (0x8100, 0x88A8)
_IPV4 = 0x0800
_IP = struct.Struct("!BBHHHBBHHHI")
_UDP = struct.Struct("!HHHHHQQ")


class Verdict(enum.Enum):
    """What a captured frame is."""

    GOOD = "good"
    CORRUPT = "corrupt"
    FOREIGN = "foreign"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class FrameId:
    """What a frame carries: its number within its flow, the sender's clock in ns since 1970, its flow."""

    seq: int
    time_ns: int
    flow: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.seq <= _MASK and 0 <= self.time_ns <= _MASK and 0 <= self.flow < FLOWS_MAX):
            raise ValueError(f"out of range: {self}")


@dataclass(frozen=True, slots=True)
class Tag:
    """An 802.1Q (or, as an outer tag, 802.1ad) tag: `control` holds priority, DEI and VLAN ID."""

    control: int
    type: int = 0x8100


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a frame that are free: the same for all frames of a run."""

    dst_mac: bytes = b"\x02\x00\x00\x00\x00\x02"
    src_mac: bytes = b"\x02\x00\x00\x00\x00\x01"
    tags: tuple[Tag, ...] = field(default=())
    dst_ip: int = _DESTINATION

    def __post_init__(self) -> None:
        if len(self.dst_mac) != 6 or len(self.src_mac) != 6 or len(self.tags) > TAGS_MAX:
            raise ValueError("a MAC address has 6 bytes, a frame at most 2 tags")


def from_outside(mac: str, vlan: int = 0) -> Layout:
    """Addresses and tag of frames that come over the cable to a VF; ``vlan`` 0: none."""
    return Layout(bytes.fromhex(mac.replace(":", "")), _OUTSIDE, (Tag(vlan),) if vlan else ())


def size_min_bytes(tags: int = 0) -> int:
    """Smallest frame with so many tags, without frame check sequence."""
    return SIZE_MIN_BYTES + TAG_BYTES * tags


def _check16(ident: FrameId, total: int) -> int:
    h = ((ident.seq ^ ident.flow << 48 ^ total << 32) * _K1) & _MASK
    h ^= h >> 32
    return ((h + ident.time_ns) * _K2 & _MASK) >> 48


def _fill(ident: FrameId, size: int) -> bytes:
    base = (ident.seq + 1) * _K2 + (ident.flow << 48)
    words: list[int] = []
    for group in range((size + 15) // 16):
        word = (base + group * _K1) & _MASK
        words += (word, word ^ _MASK)
    return struct.pack(f"<{len(words)}Q", *words)[:size]


def _fold(data: bytes) -> int:
    """One's complement sum of 16-bit words, 0 to 0xffff."""
    if len(data) % 2:
        data += b"\0"
    # 2^16 is 1 modulo 0xffff, so the remainder of the whole number is the sum of its words.
    value = int.from_bytes(data, "big")
    return value % 0xFFFF or (0xFFFF if value else 0)


def _datagram(ident: FrameId, total: int, dst_ip: int) -> bytes:
    """IPv4 header, UDP header and payload, with both checksums."""
    udp_length = total - 20
    source = _SOURCE_PREFIX << 16 | ident.flow
    fill = _fill(ident, total - _IP_BYTES)
    sport = 0xC000 | ident.flow & 0x3FFF

    def udp(checksum: int) -> bytes:
        head = _UDP.pack(sport, PORT, udp_length, checksum, MAGIC, ident.seq, ident.time_ns)
        return head + fill

    def ip(checksum: int) -> bytes:
        return _IP.pack(0x45, 0, total, _check16(ident, total), 0x4000, 64, 17, checksum,
                        _SOURCE_PREFIX, ident.flow, dst_ip)  # fmt: skip

    pseudo = struct.pack("!IIHH", source, dst_ip, 17, udp_length)
    return ip(_fold(ip(0)) ^ 0xFFFF) + udp(_fold(pseudo + udp(0)) ^ 0xFFFF or 0xFFFF)


_DEFAULT_LAYOUT = Layout()


def build(size_bytes: int, ident: FrameId, layout: Layout = _DEFAULT_LAYOUT) -> bytes:
    """A whole frame of `size_bytes`, without frame check sequence.

    Raises ValueError when the size is below size_min_bytes() or above what IPv4 can say.
    """
    l2_bytes = _L2_BYTES + TAG_BYTES * len(layout.tags)
    if not size_min_bytes(len(layout.tags)) <= size_bytes <= l2_bytes + 65535:
        raise ValueError(f"no numbered frame has {size_bytes} bytes with {len(layout.tags)} tags")
    tags = b"".join(struct.pack("!HH", tag.type, tag.control) for tag in layout.tags)
    head = layout.dst_mac + layout.src_mac + tags + struct.pack("!H", _IPV4)
    return head + _datagram(ident, size_bytes - l2_bytes, layout.dst_ip)


def _marks(data: bytes, ip_at: int) -> int:
    def is_there(at: int, value: int) -> bool:
        return int.from_bytes(data[ip_at + at : ip_at + at + 2], "big") == value

    return is_there(12, _SOURCE_PREFIX) + is_there(22, PORT) + is_there(28, MAGIC)


def _judge_ip(data: bytes, wire_bytes: int) -> tuple[Verdict, FrameId | None]:
    version, _, total, _, flags, _, protocol, _, prefix, flow, dst_ip = _IP.unpack_from(data)
    _, dport, _, _, magic, seq, time_ns = _UDP.unpack_from(data, 20)
    constant = (version, flags, protocol, prefix, dport, magic)
    if constant != (0x45, 0x4000, 17, _SOURCE_PREFIX, PORT, MAGIC):
        return (Verdict.FOREIGN if _marks(data, 0) < 2 else Verdict.CORRUPT), None
    if not _IP_BYTES <= total <= wire_bytes:
        return Verdict.CORRUPT, None
    ident = FrameId(seq, time_ns, flow)
    right = bytearray(_datagram(ident, total, dst_ip))
    # DSCP and TTL are free on the way: a router that changes them mends the header checksum.
    right[1], right[8], right[10:12] = data[1], data[8], data[10:12]
    there = min(len(data), total)
    if _fold(data[:20]) != 0xFFFF or data[:there] != right[:there]:
        return Verdict.CORRUPT, None
    return Verdict.GOOD, ident


def judge(data: bytes, wire_bytes: int | None = None) -> tuple[Verdict, FrameId | None]:
    """Judges what was captured of an Ethernet frame of `wire_bytes` (default: all of it).

    The identity comes with GOOD only. Bytes behind the IPv4 datagram are not judged.
    """
    wire = len(data) if wire_bytes is None else wire_bytes
    for tags in range(TAGS_MAX + 1):
        l2_bytes = _L2_BYTES + TAG_BYTES * tags
        if len(data) < l2_bytes or wire < l2_bytes:
            return (Verdict.FOREIGN if wire < SIZE_MIN_BYTES else Verdict.SHORT), None
        ethertype = int.from_bytes(data[l2_bytes - 2 : l2_bytes], "big")
        if ethertype == _IPV4:
            if len(data) < l2_bytes + _IP_BYTES:
                return (Verdict.FOREIGN if wire < l2_bytes + _IP_BYTES else Verdict.SHORT), None
            return _judge_ip(data[l2_bytes:], wire - l2_bytes)
        if ethertype not in _TAG_TYPES:
            break
    for tags in range(TAGS_MAX + 1):
        at = _L2_BYTES + TAG_BYTES * tags
        if len(data) >= size_min_bytes(tags) and _marks(data, at) >= 2:
            return Verdict.CORRUPT, None
    return Verdict.FOREIGN, None
