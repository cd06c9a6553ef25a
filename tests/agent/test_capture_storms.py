# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost without being counted, and files are whole: under rotation, full disks, stops and kills."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.agent.support import Agent, assert_sum, read_packets

NULL_PORT = ("--port", "vdev:net_null0,size=64")
SHORT, LONG = 3, 200  # repetitions
SEEDS = [*range(SHORT), *(pytest.param(i, marks=pytest.mark.soak) for i in range(SHORT, LONG))]


def stored_in(agent: Agent, where: Path) -> int:
    """Packets in all files of a directory; every file must be whole."""
    files = sorted(path for path in where.iterdir() if ".pcap" in path.name)
    assert files and not [path for path in files if path.name.startswith(".")], "a hidden file stayed behind"
    return int(agent.check(*files)["totals"]["packets"])


def test_rotation_at_full_rate(agent: Agent, place: Path, engine: str) -> None:
    done = agent.capture(
        *NULL_PORT, "--write", str(place / "x.pcap"), "--engine", engine, "--rotate-size", "1M", "--duration", "0.3"
    )
    assert done.total["files"] > 3
    assert max(path.stat().st_size for path in place.iterdir()) <= 1 << 20
    assert stored_in(agent, place) == done.total["stored"]
    assert sum(path.stat().st_size for path in place.iterdir()) == done.total["stored_bytes"]


def test_order_across_files(agent: Agent, place: Path, engine: str) -> None:
    """Where packets are not lost (--when-full wait), times climb from file to file."""
    done = agent.capture(
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--rotate-size",
        "1M",
        "--packets",
        "60000",
        "--when-full",
        "wait",
    )
    packets = [packet for path in sorted(place.iterdir()) for packet in read_packets(path)]
    assert len(packets) == done.total["stored"] == 60000
    assert [p.ns for p in packets] == sorted(p.ns for p in packets)
    assert done.total["files"] >= 4


def test_only_the_newest_files_stay(agent: Agent, place: Path, engine: str) -> None:
    done = agent.capture(
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--rotate-size",
        "1M",
        "--max-files",
        "4",
        "--packets",
        "150000",
        "--when-full",
        "wait",
    )
    files = sorted(place.iterdir())
    assert len(files) <= 4
    assert done.total["stored"] == 150000
    assert done.total["files_removed"] == done.total["files"] - len(files)
    numbers = [int(path.stem.rsplit("-", 1)[1]) for path in files]
    assert numbers == list(range(numbers[0], numbers[0] + len(files)))
    assert numbers[-1] == done.total["files"] - 1
    assert 0 < stored_in(agent, place) <= 150000


def test_disk_quota(agent: Agent, place: Path, engine: str) -> None:
    quota = 8 << 20
    agent.capture(
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--disk-quota",
        "8M",
        "--packets",
        "300000",
        "--when-full",
        "wait",
    )
    assert 0 < sum(path.stat().st_size for path in place.iterdir()) <= quota
    stored_in(agent, place)


def test_rotation_by_time_begins_no_empty_files(agent: Agent, place: Path, engine: str) -> None:
    done = agent.capture(
        *NULL_PORT,
        "--write",
        str(place / "x-%t.pcap"),
        "--engine",
        engine,
        "--rotate-time",
        "200ms",
        "--filter",
        "arp",
        "--duration",
        "1",
    )
    assert done.total["filtered"] == done.total["received"] > 0
    assert done.total["files"] == 1
    assert stored_in(agent, place) == 0


def test_rotation_by_time_and_by_signal(agent: Agent, place: Path, engine: str) -> None:
    running = agent.start(
        place.parent, *NULL_PORT, "--write", str(place / "x.pcap"), "--engine", engine, "--rotate-time", "10m"
    )
    for wanted in (2, 3, 4):
        running.send(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while len(list(place.glob("x-*.pcap"))) < wanted:
            assert time.monotonic() < deadline, "no new file was begun"
            time.sleep(0.02)
    done = running.stop()
    assert done.total["files"] == 4
    assert stored_in(agent, place) == done.total["stored"]


@pytest.mark.parametrize("format_", ["pcap-ns", "pcapng"])
def test_disk_full_and_room_again(agent: Agent, small_tmpfs: Path, tmp_path: Path, format_: str, engine: str) -> None:
    if (
        engine == "direct"
        and "O_DIRECT"
        in agent.run("capture", *NULL_PORT, "--write", str(small_tmpfs / "probe"), "--direct", "--packets", "1").stderr
    ):
        pytest.skip("no O_DIRECT on this tmpfs")
    ballast = small_tmpfs / "ballast"
    ballast.write_bytes(bytes(20 << 20))
    running = agent.start(
        tmp_path,
        *NULL_PORT,
        "--write",
        str(small_tmpfs / "x.pcap"),
        "--engine",
        engine,
        "--format",
        format_,
        "--burst-buffer",
        "8M",
        "--snaplen",
        "60",
    )
    wait_for_full(small_tmpfs)
    used_when_full = sum(path.stat().st_size for path in small_tmpfs.glob("x*"))
    ballast.unlink()
    time.sleep(1)
    done = running.stop()
    assert done.total["lost_full"] + done.total["lost_write"] > 0
    assert done.total["stored"] > 0
    assert stored_in(agent, small_tmpfs) == done.total["stored"]
    assert sum(path.stat().st_size for path in small_tmpfs.glob("x*")) > used_when_full, "the room was not used"


def wait_for_full(where: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        fs = os.statvfs(where)
        if fs.f_bavail * fs.f_frsize < 2 << 20:
            time.sleep(0.3)
            return
        time.sleep(0.05)
    raise AssertionError("the file system did not fill")


@pytest.mark.parametrize("pause_s", [0.2, pytest.param(5.0, marks=pytest.mark.soak)])
def test_a_stopped_process_goes_on(agent: Agent, place: Path, engine: str, pause_s: float) -> None:
    running = agent.start(
        place.parent,
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--rotate-size",
        "32M",
        "--max-files",
        "4",
    )
    time.sleep(0.2)
    running.send(signal.SIGSTOP)
    time.sleep(pause_s)
    running.send(signal.SIGCONT)
    time.sleep(0.2)
    done = running.stop()
    assert done.total["max_gap_ns"] >= pause_s * 0.9e9
    stored_in(agent, place)
    for path in place.iterdir():
        assert agent.check(path)["totals"]["time_backward"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_sigterm_at_any_moment(agent: Agent, place: Path, engine: str, seed: int) -> None:
    rng = random.Random(seed)
    running = agent.start(
        place.parent,
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--format",
        rng.choice(["pcap-ns", "pcapng"]),
        "--rotate-size",
        "4M",
        "--max-files",
        "6",
    )
    time.sleep(rng.uniform(0, 0.15))
    done = running.stop(rng.choice([signal.SIGTERM, signal.SIGINT]))
    assert 0 < stored_in(agent, place) <= done.total["stored"]
    if done.total["files_removed"] == 0:
        assert stored_in(agent, place) == done.total["stored"]


def wait_for_file(where: Path) -> None:
    """Until there is a file: a file gets its name with its first packet, and a busy machine lets that wait."""
    deadline = time.monotonic() + 30
    while not any(where.glob("*.pcap")):
        assert time.monotonic() < deadline, "no packet was stored"
        time.sleep(0.005)


@pytest.mark.parametrize("seed", SEEDS)
def test_sigkill_at_any_moment(agent: Agent, place: Path, engine: str, seed: int) -> None:
    """At once after a kill every file can be repaired, and what a whole file held is still there."""
    rng = random.Random(seed)
    running = agent.start(
        place.parent,
        *NULL_PORT,
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--format",
        rng.choice(["pcap-ns", "pcapng"]),
        "--rotate-size",
        "4M",
        "--max-files",
        "6",
    )
    wait_for_file(place)
    time.sleep(rng.uniform(0, 0.15))
    running.kill()
    files = sorted(place.glob("*.pcap"))
    assert files
    for path in files:
        repaired = agent.run("check", "--repair", str(path))
        assert repaired.returncode == 0, repaired.stderr
        stamps = [packet.ns for packet in read_packets(path)]
        assert stamps == sorted(stamps)
    # Only the newest files may have been unfinished: the ones before were complete already.
    assert all(path.stat().st_size > (3 << 20) for path in files[:-2])


@pytest.mark.parametrize("engine", ["mmap", "direct"])
def test_many_queues_on_few_cpus(agent: Agent, place: Path, engine: str) -> None:
    done = agent.capture(
        *NULL_PORT,
        "--queues",
        "16",
        "--rx-desc",
        "512",
        "--write",
        str(place / "x.pcap"),
        "--engine",
        engine,
        "--burst-buffer",
        "4M",
        "--chunk",
        "256K",
        "--rotate-size",
        "8M",
        "--max-files",
        "3",
        "--duration",
        "1",
    )
    queues = done.report["ports"][0]["queues"]
    assert len(queues) == 16
    assert all(queue["stored"] > 0 for queue in queues)
    for queue in queues:
        assert_sum(queue)
    stored_in(agent, place)
