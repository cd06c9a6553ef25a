# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzzers: small files of every kind that the readers know, whole and damaged.

    python agent/fuzz/make_corpus.py

Run it from the top of the checkout after a change here; what fuzzing itself has found stays beside the seeds.
"""

from __future__ import annotations

import struct
from pathlib import Path

from nfvcap.agent.frame import FrameId, Layout, Tag, build

CORPUS = Path(__file__).parent / "corpus"
NS = 1_700_000_000_000_000_000


def frames(count: int, size: int = 60) -> list[bytes]:
    """Numbered frames with a gap, a duplicate and a late one."""
    order = [*range(count), count + 3, 1, count + 2]
    tags = (Tag(5),) if size >= 64 else ()
    return [build(size, FrameId(k, NS + k, k % 2), Layout(tags=tags)) for k in order]


def pcap(packets: list[bytes], order: str = "<", magic: int = 0xA1B23C4D, link: int = 1) -> bytes:
    head = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    records = [struct.pack(f"{order}IIII", 1_700_000_000, i, len(p), len(p)) + p for i, p in enumerate(packets)]
    return head + b"".join(records)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str, length: int = -1) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, length))


def interface(order: str, link: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, snaplen) + options)


def enhanced(order: str, number: int, ticks: int, data: bytes, options: bytes = b"") -> bytes:
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(order, 6, head + data + bytes(-len(data) % 4) + options)


def pcapng(order: str) -> bytes:
    """All that a section can hold."""
    resolution = struct.pack(f"{order}HHB3xHHqHH4sI", 9, 1, 9, 14, 8, -5, 2, 4, b"eth0", 0)
    comment = struct.pack(f"{order}HH8sI", 1, 7, b"comment", 0)
    statistics = struct.pack(f"{order}IIIHHQHHQI", 0, 0, 0, 4, 8, 100, 5, 8, 7, 0)
    packets = frames(3)
    return b"".join(
        [
            section(order),
            interface(order, options=resolution),
            interface(order, 101, 96),
            block(order, 4, b"names"),
            *(enhanced(order, 0, NS + i, p, comment) for i, p in enumerate(packets)),
            block(order, 3, struct.pack(f"{order}I", 60) + packets[0]),
            block(order, 2, struct.pack(f"{order}HHIIII", 1, 0, 0, 5, 46, 46) + packets[1][14:]),
            enhanced(order, 1, NS // 1000, packets[2][14:]),
            block(order, 5, statistics),
            block(order, 0xBAD, bytes(40)),
        ]
    )


def captures() -> dict[str, bytes]:
    packets = frames(8)
    plain = pcap(packets)
    both = pcapng("<") + pcapng(">")
    offset = struct.pack("<HHq", 14, 8, 1000)
    return {
        "pcap-ns": plain,
        "pcap-us-big": pcap(packets, ">", 0xA1B2C3D4),
        "pcap-us": pcap(frames(2, 90), "<", 0xA1B2C3D4),
        "pcap-raw": pcap([p[14:] for p in packets], link=101),
        "pcap-sll": pcap([bytes(14) + b"\x08\0" + p[14:] for p in packets], link=113),
        "pcap-2.3": plain[:6] + b"\x03" + plain[7:],
        "pcap-kuznetzov": b"\x34\xcd\xb2\xa1" + plain[4:],
        "pcap-cut": plain[:-5],
        "pcap-zeros": plain + bytes(50),
        "pcap-hole": plain + bytes(16) + plain[24:40],
        "pcap-damaged": plain[:32] + b"\xff" * 4 + plain[36:],
        "pcap-empty": plain[:24],
        "pcapng": pcapng("<"),
        "pcapng-big": pcapng(">"),
        "pcapng-sections": both,
        "pcapng-cut": both[:-7],
        "pcapng-zeros": both + bytes(64),
        "pcapng-sized": section("<", 20) + interface("<") + enhanced("<", 0, 1, packets[0]),
        "pcapng-offset": section("<") + interface("<", options=offset) + enhanced("<", 0, 9, b"x"),
        "gzip": b"\x1f\x8b\x08\0",
    }  # fmt: skip


def judged() -> dict[str, bytes]:
    def listed(items: list[bytes]) -> bytes:
        return b"".join(struct.pack(">HH", len(item), len(item)) + item for item in items)

    plain, tagged = frames(8), frames(8, 90)
    snapped = b"".join(struct.pack(">HH", 90, 70) + item[:70] for item in tagged)
    return {
        "plain": listed(plain),
        "tagged": listed(tagged),
        "mixed": listed(plain[:3] + tagged[:6]),
        "snapped": snapped,
    }


WORDS = [
    "\0" "64", "\0" "64,128,1518", "\0imix", "\0genome:abcz", "\x01" "1.5Mpps", "\x01line", "\x01" "300kpps",
    "\x02" "64K", "\x02" "1.5GiB", "\x03" "500ms", "\x04" "10M", "\x05" "0,2-5", "\x060000:81:10.0",
    "\x06vdev:net_null0,size=64",
    "\x06" "af_packet:lo", "\x06pcap:/tmp/x.pcap,infinite_rx=1",
    "\x07/d/x.pcap", "\x07/d/%t-%p-%q-%n.pcap", "\x07" "100%%.pcap", "\x07/d/%", "\x07/d.d/.x", "\x07" + "%n" * 200,
]  # fmt: skip


TEXTS = [
    "tcp[13] & 2 != 0 and not (src net 10.0.0.0/8 or port domain)", "ether[6:4] = 0x02000000", "ip6 protochain 17",
    "host 2001:db8::1", "vlan 9 and pppoes and ip", "udp portrange 1-9 &&", "len > 0x7fffffff", "host no.such.name",
    "((((arp))))", "ip[ip[0] & 15 * 4:2] / 0 = 1", "mpls 3 and mpls 4", "",
]  # fmt: skip


def filters() -> dict[str, bytes]:
    """Expressions of fuzz_filter.c, each as (how joined, which primitive), where the packet is cut, the packet."""
    last = 4
    packets = [
        build(60, FrameId(1, NS)),
        build(200, FrameId(2, NS), Layout(tags=(Tag(9),))),
        b"\xff" * 6 + bytes(6) + b"\x08\x06" + bytes(46),
        b"\x01" + bytes(11) + b"\x86\xdd\x60" + bytes(5) + b"\x11\x40" + bytes(48),
        bytes(12) + b"\x08\x00\x46" + bytes(8) + b"\x06" + bytes(12) + b"\x00\x50" * 3 + bytes(9) + b"\x12" + bytes(30),
        b"\x01",
    ]
    joined = [bytes([2, 10, last | 1, k]) for k in range(40)]  # not multicast, and each of the others
    seeds = {f"{k:02}": how + bytes([k * 5]) + packets[k % len(packets)] for k, how in enumerate(joined)}
    texts = {f"text{k}": b"\x80" + text.encode() + b"\0\x09" + packets[k % 5] for k, text in enumerate(TEXTS)}
    return seeds | texts


def main() -> None:
    capture = captures()
    merge = {
        f"{a}+{b}": bytes([255 * len(capture[a]) // len(capture[a] + capture[b]) + 1, i % 2]) + capture[a] + capture[b]
        for i, (a, b) in enumerate([("pcap-ns", "pcap-us-big"), ("pcapng", "pcap-ns"), ("pcapng", "pcapng-big")])
    }
    words = {f"{i:02}": word.encode() for i, word in enumerate(WORDS)}
    for name, seeds in {
        "capture": capture,
        "merge": merge,
        "frame": judged(),
        "words": words,
        "filter": filters(),
    }.items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in seeds.items():
            (folder / seed).write_bytes(data)


if __name__ == "__main__":
    main()
