# SPDX-License-Identifier: Apache-2.0
"""What tcpdump, tshark and capinfos make of a file, held against what we read in it."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from pathlib import Path

from tests.agent.support import Packet, read_packets


def said_by(*command: str | Path) -> str:
    """What a reader prints of a file that it must take without complaint; one that is missing is a failure.

    `tools/install test` brings them all.
    """
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (command, done.stderr[-1000:])
    assert "cut short" not in done.stderr and "damaged" not in done.stderr, (command, done.stderr[-1000:])
    return done.stdout


def epoch_ns(seconds: str) -> int:
    return int(Decimal(seconds) * 1_000_000_000)


def assert_readers_agree(path: Path) -> list[Packet]:
    """Each of them finds as many packets as we do, as long, as long on the wire, at the same times; these packets."""
    ours = read_packets(path)
    shape = [(packet.ns, len(packet.data), packet.wire_bytes) for packet in ours]
    _tshark(path, shape)
    _capinfos(path, shape)
    _tcpdump(path, ours)
    return ours


def _tshark(path: Path, shape: list[tuple[int, int, int]]) -> None:
    fields = [word for name in ("time_epoch", "cap_len", "len") for word in ("-e", f"frame.{name}")]
    lines = [line.split("\t") for line in said_by("tshark", "-n", "-r", path, "-T", "fields", *fields).splitlines()]
    assert [(epoch_ns(time), int(kept), int(wire)) for time, kept, wire in lines] == shape


def _capinfos(path: Path, shape: list[tuple[int, int, int]]) -> None:
    """Only sums: the count, the bytes on the wire, the first and the last time."""
    _, count, size, first, last = said_by("capinfos", "-TmrScdae", path).strip().split(",")
    assert (int(count), int(size)) == (len(shape), sum(wire for _, _, wire in shape))
    if shape:
        times = [ns for ns, _, _ in shape]
        assert (epoch_ns(first), epoch_ns(last)) == (min(times), max(times))


def _tcpdump(path: Path, ours: list[Packet]) -> None:
    """What it prints of a packet depends on what is in it; what it writes does not."""
    again = path.with_name(f"{path.name}.tcpdump")
    try:
        said_by("tcpdump", "-n", "--time-stamp-precision=nano", "-r", path, "-w", again)
        assert read_packets(again) == ours
    finally:
        again.unlink(missing_ok=True)
    assert said_by("tcpdump", "-n", "--count", "-r", path).split()[0] == str(len(ours))
