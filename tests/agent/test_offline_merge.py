# SPDX-License-Identifier: Apache-2.0
"""`merge` joins files in time order, and other programs read what it writes."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nfvcap.agent.frame import FrameId, build
from tests.agent.captures import (
    FORMS,
    START_NS,
    Record,
    block,
    check,
    enhanced,
    interface,
    numbered,
    pcap,
    pcapng,
    record,
    section,
    write,
)
from tests.agent.support import Agent, Packet, read_packets


def merge(agent: Agent, *args: str | Path) -> dict[str, Any]:
    done = agent.run("merge", "--json", *map(str, args))
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["schema"] == "nfvcap/agent-merge/1"
    return report


def random_records(rng: random.Random, count: int) -> list[Record]:
    """In time order, with equal times and snapped packets among them."""
    times = sorted(START_NS + 1000 * rng.randrange(count // 2 + 1) for _ in range(count))
    made = []
    for index, ns in enumerate(times):
        frame = build(60 + rng.randrange(100), FrameId(index, ns))
        made.append(record(ns, frame, rng.choice([262144, 62])))
    return made


def as_packets(records: list[Record]) -> list[Packet]:
    return [Packet(r.ns, r.wire_bytes, r.data) for r in records]


@pytest.mark.parametrize("out", ["out.pcap", "out.pcapng"])
@pytest.mark.parametrize("seed", range(3))
def test_time_order_and_every_byte(agent: Agent, tmp_path: Path, seed: int, out: str) -> None:
    rng = random.Random(seed)
    inputs = [random_records(rng, rng.choice([0, 1, 50, 700])) for _ in range(rng.choice([1, 2, 5, 40]))]
    paths = [write(tmp_path / f"{i}", FORMS[rng.choice(list(FORMS))](r)) for i, r in enumerate(inputs)]
    report = merge(agent, tmp_path / out, *paths)
    want = sorted((r for records in inputs for r in records), key=lambda r: r.ns)
    assert read_all(tmp_path / out) == as_packets(want)
    assert report["packets"] == len(want) and report["time_backward"] == 0
    assert report["bytes"] == (tmp_path / out).stat().st_size
    assert [entry["packets"] for entry in report["inputs"]] == [len(records) for records in inputs]
    assert list(tmp_path.glob("*.partial")) == []


def read_all(path: Path) -> list[Packet]:
    """pcapng output may have several interfaces, which the shared reader does not take."""
    data = path.read_bytes()
    if data[:4] != b"\x0a\x0d\x0d\x0a":
        return read_packets(path)
    packets, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            _, high, low, captured, wire = struct.unpack_from("<IIIII", data, at + 8)
            packets.append(Packet(high << 32 | low, wire, data[at + 28 : at + 28 + captured]))
        at += length
    return packets


def test_agrees_with_mergecap(agent: Agent, tmp_path: Path) -> None:
    if shutil.which("mergecap") is None:
        pytest.skip("mergecap is not installed")
    rng = random.Random(7)
    paths = [write(tmp_path / f"{i}.pcap", pcap(random_records(rng, 300))) for i in range(4)]
    merge(agent, tmp_path / "ours.pcap", *paths)
    subprocess.run(["mergecap", "-F", "nsecpcap", "-w", str(tmp_path / "theirs.pcap"), *map(str, paths)],
                   check=True, timeout=60)  # fmt: skip
    ours, theirs = read_packets(tmp_path / "ours.pcap"), read_packets(tmp_path / "theirs.pcap")
    # Of equal times each program has an order of its own.
    assert [p.ns for p in ours] == [p.ns for p in theirs]
    assert sorted(ours, key=lambda p: (p.ns, p.data)) == sorted(theirs, key=lambda p: (p.ns, p.data))


@pytest.mark.parametrize("out", ["out.pcap", "out.pcapng"])
def test_other_readers_agree(agent: Agent, tmp_path: Path, out: str) -> None:
    for program in ("tshark", "capinfos", "tcpdump"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    rng = random.Random(3)
    inputs = [random_records(rng, 200) for _ in range(3)]
    paths = [write(tmp_path / f"{i}.pcap", pcap(records)) for i, records in enumerate(inputs)]
    merge(agent, tmp_path / out, *paths)
    want = sorted((r for records in inputs for r in records), key=lambda r: r.ns)
    said = subprocess.run(
        ["tshark", "-n", "-r", str(tmp_path / out), "-T", "fields",
         "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    assert said == [f"{r.ns // 10**9}.{r.ns % 10**9:09}\t{r.wire_bytes}\t{len(r.data)}" for r in want]
    infos = subprocess.run(["capinfos", "-M", "-c", "-T", "-r", "-o", str(tmp_path / out)],
                           capture_output=True, text=True, check=True, timeout=60).stdout  # fmt: skip
    assert "600" in infos and "True" in infos, infos
    dumped = subprocess.run(["tcpdump", "-n", "-tt", "--nano", "-r", str(tmp_path / out)],
                            capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()  # fmt: skip
    assert [line.split()[0] for line in dumped] == [f"{r.ns // 10**9}.{r.ns % 10**9:09}" for r in want]


def test_interfaces_and_options_are_kept(agent: Agent, tmp_path: Path) -> None:
    comment = struct.pack("<HH8sI", 1, 7, b"comment", 0)
    frames = numbered(range(20))
    raw = [record(r.ns, r.data[14:]) for r in frames]
    first = section() + interface(name="eth0") + b"".join(enhanced(r, options=comment) for r in frames[:10])
    second = section() + interface(link=101, name="tun0") + block("<", 4, b"names")
    second += b"".join(enhanced(r) for r in raw[10:])
    third = pcapng(frames[:1], order=">")
    paths = [write(tmp_path / str(i), data) for i, data in enumerate([first, second, third])]
    done = agent.run("merge", "--json", str(tmp_path / "out.pcapng"), *map(str, paths))
    assert done.returncode == 0 and "1 blocks were left out" in done.stderr
    assert (tmp_path / "out.pcapng").read_bytes().count(b"comment\0") == 10
    said = subprocess.run(
        ["tshark", "-n", "-r", str(tmp_path / "out.pcapng"), "-T", "fields",
         "-e", "frame.interface_name", "-e", "frame.comment", "-e", "frame.encap_type"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    assert said.count("eth0\tcomment\t1") == 10 and said.count("tun0\t\t7") == 10
    assert check(agent, tmp_path / "out.pcapng", "--expect", "20").numbers["missing"] == 0


def test_cut_tails_are_taken_with_a_warning(agent: Agent, tmp_path: Path) -> None:
    data = pcap(numbered(range(10)))
    paths = [write(tmp_path / "cut", data[:-3]), write(tmp_path / "zeros", data + bytes(5000))]
    done = agent.run("merge", str(tmp_path / "out.pcap"), *map(str, paths))
    assert done.returncode == 0 and done.stderr.count("whole up to offset") == 2
    assert len(read_packets(tmp_path / "out.pcap")) == 19


def test_backward_input_is_said(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x", pcap(numbered(range(5)) + numbered(range(5))))
    done = agent.run("merge", "--json", str(tmp_path / "out.pcap"), str(path))
    assert done.returncode == 0 and "goes backward 1 times" in done.stderr
    assert json.loads(done.stdout)["time_backward"] == 1


def test_standard_output(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x", pcap(numbered(range(50))))
    done = subprocess.run([str(agent.binary), "merge", "-", str(path)], capture_output=True, timeout=60, check=True)
    assert done.stdout == path.read_bytes()


def fails(agent: Agent, tmp_path: Path, code: int, words: str, *args: str | Path) -> None:
    """One clear message, the documented exit code, nothing half-written."""
    before = sorted(p.name for p in tmp_path.iterdir())
    done = agent.run("merge", *map(str, args))
    assert done.returncode == code and words in done.stderr, done.stderr
    assert done.stderr.count("error:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_failures(agent: Agent, tmp_path: Path) -> None:
    good = pcap(numbered(range(3000)))
    a, out = write(tmp_path / "a", good), tmp_path / "out.pcap"
    damaged = write(tmp_path / "d", good[: 24 + 76 * 2000] + b"\xff" * 100)
    raw = write(tmp_path / "r", pcap(numbered(range(3)), link=101))
    both = section() + interface() + interface(link=101) + b"".join(enhanced(r) for r in numbered(range(500)))
    changes = write(tmp_path / "c", both + enhanced(numbered([1])[0], number=1))
    late = write(tmp_path / "l", pcapng([Record(2**32 * 10**9, bytes(60), 60)]))
    fails(agent, tmp_path, 2, "needs a file", out)
    fails(agent, tmp_path, 2, "No such file", out, tmp_path / "none")
    fails(agent, tmp_path, 2, "directory", out, tmp_path)
    fails(agent, tmp_path, 2, "to be written and to be read", a, a)
    fails(agent, tmp_path, 2, "cannot write", "/nonexistent/out", a)
    fails(agent, tmp_path, 2, "pcap or pcapng", "--format", "snoop", out, a)
    fails(agent, tmp_path, 2, "another link type", out, a, raw)
    fails(agent, tmp_path, 2, "another link type", out, changes)
    fails(agent, tmp_path, 2, "2106", out, late)
    fails(agent, tmp_path, 4, "damaged at offset 152024", out, a, damaged)
    fails(agent, tmp_path, 4, "not a capture file", out, write(tmp_path / "n", b"nothing of the kind"))
    assert merge(agent, tmp_path / "out.pcapng", a, raw, late)["packets"] == 3004
    assert len(read_all(tmp_path / "out.pcapng")) == 3004


def test_full_disk(agent: Agent, small_tmpfs: Path, tmp_path: Path) -> None:
    data = pcap(numbered(range(1000), size=1000)) * 1
    big = write(tmp_path / "big", data + data[24:] * 80)
    done = agent.run("merge", str(small_tmpfs / "out.pcap"), str(big))
    assert done.returncode == 2 and "No space left" in done.stderr
    assert list(small_tmpfs.iterdir()) == []


def test_more_files_than_may_be_open(agent: Agent, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i:04}", pcap(numbered([i]))) for i in range(1100)]
    words = " ".join(map(str, paths))
    done = subprocess.run(
        ["sh", "-c", f"ulimit -S -n 64; exec {agent.binary} merge {tmp_path}/out.pcap {words}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert check(agent, tmp_path / "out.pcap", "--expect", "1100").numbers["missing"] == 0
