# SPDX-License-Identifier: Apache-2.0
"""What the capture writes is what arrived, in every format and with every engine."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.readers import assert_readers_agree
from tests.agent.support import Agent, Packet, assert_sum, read_packets, write_pcap

FORMATS = ("pcap-ns", "pcap-us", "pcapng")


def frames(count: int, seed: int, largest: int) -> list[bytes]:
    """Frames of all sorts of sizes, with every size near the borders of the copy loop among them."""
    rng = random.Random(seed)
    borders = [14, 15, 59, 60, 61, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 1500, 1514, 1518]
    sizes = [min(size, largest) for size in borders]
    sizes += [rng.randint(14, largest) for _ in range(count - len(sizes))]
    return [rng.randbytes(size) for size in sizes]


@pytest.fixture
def place(memory_dir: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where this engine likes to write: memory for mmap, the disk for the others."""
    return memory_dir if request.getfixturevalue("engine") == "mmap" else tmp_path


def replay(agent: Agent, source: Path, target: Path, *args: str) -> tuple[list[Packet], dict[str, int]]:
    """A file through net_pcap into another one, waiting instead of losing."""
    started_ns = time.time_ns()
    done = agent.capture(
        "--port", f"pcap:{source}", "--write", str(target), "--stop-idle", "0.2", "--when-full", "wait", *args
    )
    packets = read_packets(target)
    stamps = [packet.ns for packet in packets]
    assert stamps == sorted(stamps), "time goes backward"
    if stamps:
        assert started_ns - 2000 <= stamps[0] and stamps[-1] <= time.time_ns()
    assert done.total["stored"] == len(packets)
    assert done.total["stored_bytes"] == target.stat().st_size
    return packets, done.total


@pytest.mark.parametrize("format_", FORMATS)
def test_every_byte_comes_out(agent: Agent, tmp_path: Path, place: Path, engine: str, format_: str) -> None:
    sent = frames(3000, 1, 1518)
    write_pcap(tmp_path / "in.pcap", sent)
    packets, total = replay(agent, tmp_path / "in.pcap", place / "out.pcap", "--engine", engine, "--format", format_)
    assert [packet.data for packet in packets] == sent
    assert [packet.wire_bytes for packet in packets] == [len(frame) for frame in sent]
    assert assert_readers_agree(place / "out.pcap") == packets
    assert total["received_bytes"] == sum(map(len, sent))


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("format_", FORMATS)
def test_every_instruction_set_copies_alike(agent: Agent, tmp_path: Path, isa: str, format_: str) -> None:
    probe = agent.run("capture", "--port", "vdev:net_null0", "--count-only", "--isa", isa, "--packets", "1")
    if probe.returncode == 2 and "cannot run here" in probe.stderr:
        pytest.skip(f"this processor does not run {isa}")
    sent = frames(500, 2, 1518)
    write_pcap(tmp_path / "in.pcap", sent)
    packets, _ = replay(agent, tmp_path / "in.pcap", tmp_path / "out.pcap", "--isa", isa, "--format", format_)
    assert [packet.data for packet in packets] == sent


@pytest.mark.parametrize("snaplen", [1, 14, 60, 64, 65, 100, 128, 1000, 4000])
def test_snaplen_keeps_the_wire_length(agent: Agent, memory_dir: Path, snaplen: int) -> None:
    sent = frames(400, 3, 9000)
    write_pcap(memory_dir / "in.pcap", sent)
    for format_ in ("pcap-ns", "pcapng"):
        packets, total = replay(
            agent, memory_dir / "in.pcap", memory_dir / "out.pcap", "--snaplen", str(snaplen), "--format", format_
        )
        assert [packet.data for packet in packets] == [frame[:snaplen] for frame in sent]
        assert [packet.wire_bytes for packet in packets] == [len(frame) for frame in sent]
        assert assert_readers_agree(memory_dir / "out.pcap") == packets
        assert total["truncated"] == sum(len(frame) > snaplen for frame in sent)


def test_jumbo_packets_in_several_buffers(agent: Agent, tmp_path: Path, place: Path, engine: str) -> None:
    sent = [random.Random(i).randbytes(9000 + i) for i in range(300)]
    sent[100] = random.Random(5).randbytes(65000)
    write_pcap(tmp_path / "in.pcap", sent)
    packets, _ = replay(agent, tmp_path / "in.pcap", place / "out.pcap", "--engine", engine, "--chunk", "64K")
    assert [packet.data for packet in packets] == sent
    assert assert_readers_agree(place / "out.pcap") == packets


def test_a_packet_of_no_bytes(agent: Agent, tmp_path: Path) -> None:
    sent = [b"x" * 60, b"", b"y" * 61]
    write_pcap(tmp_path / "in.pcap", sent)
    for format_ in FORMATS:
        packets, _ = replay(agent, tmp_path / "in.pcap", tmp_path / "out.pcap", "--format", format_)
        assert [packet.data for packet in packets] == sent
        assert assert_readers_agree(tmp_path / "out.pcap") == packets


@pytest.mark.parametrize("format_", FORMATS)
def test_tagged_frames(agent: Agent, memory_dir: Path, format_: str) -> None:
    """One tag, two tags, a priority alone: as they came, whole and cut in the middle of a tag."""
    tags = [b"\x81\x00\x60\x05", b"\x88\xa8\x00\x07\x81\x00\x00\x09", b"\x81\x00\xe0\x00", b""]
    sent = [bytes(6) + b"\2\0\0\0\0\1" + tags[i % 4] + b"\x08\x00\x45" + bytes(40 + i) for i in range(400)]
    write_pcap(memory_dir / "in.pcap", sent)
    for snaplen in (262144, 17):
        target = memory_dir / f"out{snaplen}.pcap"
        replay(agent, memory_dir / "in.pcap", target, "--format", format_, "--snaplen", str(snaplen))
        packets = assert_readers_agree(target)
        assert [packet.data for packet in packets] == [frame[:snaplen] for frame in sent]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", [60, 64, 1024])
def test_real_readers_agree(agent: Agent, memory_dir: Path, format_: str, size: int) -> None:
    target = memory_dir / "out.pcap"
    agent.capture(
        "--port", f"vdev:net_null0,size={size}", "--write", str(target), "--packets", "3000", "--format", format_
    )
    assert [packet.wire_bytes for packet in assert_readers_agree(target)] == [size] * 3000
    dump = subprocess.run(["tcpdump", "-nr", str(target), "-c", "1"], capture_output=True, text=True, check=True)
    assert "snapshot length 262144" in dump.stderr


def test_count_only_counts_and_writes_nothing(agent: Agent, tmp_path: Path) -> None:
    done = agent.capture("--port", "vdev:net_null0,size=100", "--count-only", "--packets", "12345")
    assert done.total["counted"] == done.total["received"] == 12345
    assert done.total["received_bytes"] == 1234500
    assert done.report["stop_reason"] == "packets"
    assert list(tmp_path.iterdir()) == []


def test_several_queues_write_several_files(agent: Agent, memory_dir: Path) -> None:
    done = agent.capture(
        "--port",
        "vdev:net_null0,size=64",
        "--port",
        "vdev:net_null1,size=128",
        "--queues",
        "2",
        "--write",
        str(memory_dir / "x.pcap"),
        "--duration",
        "0.3",
    )
    names = sorted(path.name for path in memory_dir.iterdir())
    assert names == ["x-p0q0.pcap", "x-p0q1.pcap", "x-p1q0.pcap", "x-p1q1.pcap"]
    for port in done.report["ports"]:
        for queue in port["queues"]:
            assert_sum(queue)
            path = memory_dir / f"x-p{done.report['ports'].index(port)}q{queue['queue']}.pcap"
            assert path.stat().st_size == queue["stored_bytes"]
            assert agent.check(path)["totals"]["packets"] == queue["stored"]


@pytest.mark.parametrize("most", [2, 3, 4])
def test_the_newest_files_stay(agent: Agent, place: Path, engine: str, most: int) -> None:
    """The last file as well, when the capture ends right after the one before it; none went for one in preparation."""
    target = place / "x.pcap"
    done = agent.capture("--port", "vdev:net_null0,size=64", "--write", str(target), "--engine", engine,
                         "--rotate-size", "2M", "--max-files", str(most), "--burst-buffer", "4M", "--rx-desc", "512",
                         "--duration", "0.3", "--when-full", "wait")  # fmt: skip
    kept = sorted(place.glob("x-*.pcap"))
    assert done.total["files"] > most and most - 1 <= len(kept) <= most, kept
    assert [int(path.stem.split("-")[1]) for path in kept] == [
        done.total["files"] - back - 1 for back in reversed(range(len(kept)))
    ]
    for path in kept:
        assert read_packets(path)
