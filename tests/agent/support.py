# SPDX-License-Identifier: Apache-2.0
"""Calling the agent, and an independent reader of what it writes."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOSSES = ("lost_buffer", "lost_full", "lost_write")
PARTS = ("stored", "counted", "buffered", "filtered", *LOSSES)


@dataclass(frozen=True)
class Packet:
    """One packet of a file: when, how long on the wire, and its captured bytes."""

    ns: int
    wire_bytes: int
    data: bytes


@dataclass(frozen=True)
class Capture:
    """What one run of `capture` said."""

    code: int
    report: dict[str, Any]
    stderr: str

    @property
    def total(self) -> dict[str, int]:
        counters: dict[str, int] = self.report["total"]
        return counters


def assert_sum(counters: dict[str, int]) -> None:
    """Every packet is in exactly one place."""
    assert counters["received"] == sum(counters[part] for part in PARTS), counters


class Agent:
    """The program under test."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary

    def run(self, *args: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.binary), *args], capture_output=True, text=True, timeout=timeout_s)

    def capture(self, *args: str, timeout_s: float = 60) -> Capture:
        """A capture that must end well; its report is judged on the way."""
        done = self.run("capture", "--quiet", "--json", *args, timeout_s=timeout_s)
        assert done.returncode == 0, done.stderr
        return judge(done.returncode, done.stdout, done.stderr)

    def start(self, directory: Path, *args: str) -> Running:
        """A capture in the background, ready when this returns."""
        return Running(self.binary, directory, args)

    def check(self, *paths: Path) -> dict[str, Any]:
        """The `check` command's verdict on files that must be whole."""
        done = self.run("check", "--json", *map(str, paths))
        assert done.returncode == 0, done.stdout + done.stderr
        verdict: dict[str, Any] = json.loads(done.stdout)
        return verdict


def judge(code: int, stdout: str, stderr: str) -> Capture:
    result = Capture(code, json.loads(stdout), stderr)
    assert_sum(result.total)
    assert result.total["buffered"] == 0
    for port in result.report["ports"]:
        for queue in port["queues"]:
            assert_sum(queue)
    return result


class Running:
    """A capture that runs until it is told to stop."""

    def __init__(self, binary: Path, directory: Path, args: tuple[str, ...]) -> None:
        self.ready = directory / "ready"
        self.ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [str(binary), "capture", "--quiet", "--json", "--ready-file", str(self.ready), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "the capture did not become ready"
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Capture:
        """End it; it must leave with 0 and a report in which nothing is left over."""
        self.send(number)
        return self.ended()

    def ended(self) -> Capture:
        """Wait until it has ended by itself, well."""
        stdout, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, stderr)
        return judge(self.process.returncode, stdout, stderr)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


def read_packets(path: Path) -> list[Packet]:
    """All packets of a little-endian pcap or pcapng file; anything that is not exactly right is an error."""
    data = path.read_bytes()
    magic = struct.unpack_from("<I", data)[0]
    return list(_pcapng(data) if magic == 0x0A0D0D0A else _pcap(data, magic))


def _pcap(data: bytes, magic: int) -> Iterator[Packet]:
    unit_ns = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[magic]
    at = 24
    while at < len(data):
        seconds, fraction, captured, wire = struct.unpack_from("<IIII", data, at)
        at += 16
        assert at + captured <= len(data), "the last record is cut"
        assert fraction * unit_ns < 1_000_000_000
        yield Packet(seconds * 1_000_000_000 + fraction * unit_ns, wire, data[at : at + captured])
        at += captured


def _pcapng(data: bytes) -> Iterator[Packet]:
    at = interfaces = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0 and at + length <= len(data)
        assert struct.unpack_from("<I", data, at + length - 4)[0] == length
        interfaces += kind == 1
        if kind == 6:
            interface, high, low, captured, wire = struct.unpack_from("<IIIII", data, at + 8)
            assert interface < interfaces
            padding = data[at + 28 + captured : at + 28 + captured + -captured % 4]
            assert padding == bytes(len(padding)) and len(padding) <= length - 32 - captured
            yield Packet(high << 32 | low, wire, data[at + 28 : at + 28 + captured])
        at += length


def write_pcap(path: Path, frames: list[bytes], wire_bytes: list[int] | None = None) -> None:
    """A plain microsecond pcap, for the agent to replay."""
    head = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    lengths = wire_bytes or [len(frame) for frame in frames]
    records = (
        struct.pack("<IIII", 1_700_000_000, i % 1_000_000, len(f), n) + f
        for i, (f, n) in enumerate(zip(frames, lengths, strict=True))
    )
    path.write_bytes(head + b"".join(records))
