# SPDX-License-Identifier: Apache-2.0
"""Capture files of numbered frames, made by hand in any form, and the verdict that they should get."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcap.agent.frame import FrameId, Layout, build
from tests.agent.support import Agent

START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Record:
    """A packet on its way into a file."""

    ns: int
    data: bytes
    wire_bytes: int


def record(ns: int, data: bytes, snaplen: int = 262144) -> Record:
    return Record(ns, data[:snaplen], len(data))


def numbered(seqs: Iterable[int], flow: int = 0, size: int = 60, layout: Layout | None = None) -> list[Record]:
    """Frames with these numbers, 100 ns apart in the order given, captured 1000 ns after they were sent."""
    made = []
    for index, seq in enumerate(seqs):
        sent_ns = START_NS + 100 * index
        made.append(record(sent_ns + 1000, build(size, FrameId(seq, sent_ns, flow), layout or Layout())))
    return made


def pcap(records: Sequence[Record], *, order: str = "<", ns: bool = True, link: int = 1) -> bytes:
    magic, unit = (0xA1B23C4D, 1) if ns else (0xA1B2C3D4, 1000)
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for r in records:
        seconds, fraction = divmod(r.ns, 1_000_000_000)
        parts.append(struct.pack(f"{order}IIII", seconds, fraction // unit, len(r.data), r.wire_bytes))
        parts.append(r.data)
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<", length: int = -1) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, length))


def interface(order: str = "<", link: int = 1, tsresol: int = 9, name: str = "") -> bytes:
    options = struct.pack(f"{order}HHB3x", 9, 1, tsresol)
    if name:
        options += struct.pack(f"{order}HH", 2, len(name)) + name.encode() + bytes(-len(name) % 4)
    return block(order, 1, struct.pack(f"{order}HHI", link, 0, 0) + options + bytes(4))


def enhanced(r: Record, order: str = "<", number: int = 0, unit_ns: int = 1, options: bytes = b"") -> bytes:
    ticks = r.ns // unit_ns
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(r.data), r.wire_bytes)
    return block(order, 6, head + r.data + bytes(-len(r.data) % 4) + options)


def pcapng(records: Sequence[Record], *, order: str = "<", ns: bool = True, link: int = 1) -> bytes:
    head = section(order) + interface(order, link, 9 if ns else 6)
    return head + b"".join(enhanced(r, order, unit_ns=1 if ns else 1000) for r in records)


FORMS: dict[str, Callable[[Sequence[Record]], bytes]] = {
    "pcap-ns": pcap,
    "pcap-us": lambda records: pcap(records, ns=False),
    "pcap-ns-big": lambda records: pcap(records, order=">"),
    "pcap-us-big": lambda records: pcap(records, order=">", ns=False),
    "pcapng-ns": pcapng,
    "pcapng-us": lambda records: pcapng(records, ns=False),
    "pcapng-big": lambda records: pcapng(records, order=">"),
}


@dataclass(frozen=True)
class Checked:
    """What `check --json` said."""

    code: int
    report: dict[str, Any]
    stderr: str

    @property
    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.report["numbers"]
        return found

    @property
    def file(self) -> dict[str, Any]:
        found: dict[str, Any] = self.report["files"][0]
        return found


def check(agent: Agent, *args: str | Path, timeout_s: float = 120) -> Checked:
    """`check --json` on files that it can at least open."""
    done = agent.run("check", "--json", *map(str, args), timeout_s=timeout_s)
    assert done.returncode in (0, 4), (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    assert report["schema"] == "nfvcap/agent-check/1"
    assert report["ok"] == (done.returncode == 0)
    return Checked(done.returncode, report, done.stderr)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
