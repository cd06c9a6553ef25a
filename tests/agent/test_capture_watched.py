# SPDX-License-Identifier: Apache-2.0
"""Looking at a capture while it runs: a live view that is too slow, and files that are read while they grow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.numbered_link import SMALL, counters, linked, wait_until_received
from tests.agent.support import Agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
HEAD_BYTES = 24  # of a pcap file
VIEW_FRAMES = 12_000  # of 1514 bytes: four times the view's ring


class SlowReader:
    """Takes the head of what comes out of a FIFO, and nothing else before it is told to."""

    def __init__(self, fifo: Path, into: Path) -> None:
        self.has_head, self.go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, args=(fifo, into))
        self._thread.start()

    def _read(self, fifo: Path, into: Path) -> None:
        with fifo.open("rb", buffering=0) as pipe, into.open("wb") as out:
            out.write(pipe.read(HEAD_BYTES))
            self.has_head.set()
            self.go_on.wait(90)
            shutil.copyfileobj(pipe, out)

    def finish(self) -> None:
        self.go_on.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_a_live_view_that_is_too_slow_loses_and_counts(agent: Agent, memory_dir: Path, tmp_path: Path) -> None:
    """Each frame is in the view, whole, or in view_dropped; the file has them all."""
    fifo, seen = tmp_path / "live", tmp_path / "seen.pcap"
    os.mkfifo(fifo)
    reader = SlowReader(fifo, seen)
    args = ("--write", str(memory_dir / "x.pcap"), "--pipe", str(fifo), "--when-full", "wait")
    words = ("--size", "1518", "--rate", "10kpps", "--count", str(VIEW_FRAMES))
    try:
        with linked(agent, tmp_path, args, *words) as (running, _):
            assert reader.has_head.wait(30)
            sample = wait_until_received(running, VIEW_FRAMES)
            assert sample["view_dropped"] > 0
            reader.go_on.set()
            done = running.stop()
    finally:
        reader.finish()
    assert done.total["stored"] == VIEW_FRAMES
    assert check(agent, memory_dir / "x.pcap", "--expect", str(VIEW_FRAMES)).code == 0
    found = check(agent, seen, "--expect", str(VIEW_FRAMES))
    assert found.report["totals"]["corrupt"] == found.numbers["duplicates"] == found.numbers["reordered"] == 0
    assert found.report["totals"]["good"] > 1000
    assert found.numbers["missing"] == done.total["view_dropped"] > 1000


def own_memory_kib(pid: int) -> int:
    """What it has touched of memory that no file stands behind."""
    (found,) = re.findall(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found)


def test_a_live_view_takes_its_memory_at_the_start(agent: Agent, memory_dir: Path) -> None:
    """4 MiB for each queue, as --help says; nothing is added when somebody reads."""
    assert "with --pipe\n4 MiB more" in agent.run("capture", "--help").stdout
    fifo = memory_dir / "live"
    words = ("--port", "vdev:net_null0,size=1024", "--queues", "2", "--lcores", "0", "--write",
             str(memory_dir / "x.pcap"), "--engine", "null", *SMALL)  # fmt: skip
    plain = agent.start(memory_dir, *words)
    try:
        without_kib = own_memory_kib(plain.process.pid)
    finally:
        plain.kill()
    running = agent.start(memory_dir, *words, "--pipe", str(fifo))
    try:
        before_kib = own_memory_kib(running.process.pid)
        with fifo.open("rb") as pipe:
            assert len(pipe.read(64 << 20)) == 64 << 20  # both rings, many times over
            after_kib = own_memory_kib(running.process.pid)
        running.stop()
    except BaseException:
        running.kill()
        raise
    assert 7.5 * 1024 < before_kib - without_kib < 9.5 * 1024, (without_kib, before_kib)
    assert after_kib - before_kib < 512, (before_kib, after_kib)


def read_by_tcpdump(path: Path, engine: str) -> int:
    """How many packets tcpdump finds; it may say that the end is cut, or is the mapped file's marker, nothing else."""
    done = subprocess.run(["tcpdump", "-nr", str(path)], capture_output=True, text=True, timeout=60)
    end = "a? length (of )?4294967295" if engine == "mmap" else "truncated dump file"
    assert done.returncode == 0 or re.search(end, done.stderr), done.stderr
    lines = done.stdout.splitlines()
    assert all("198.18." in line or "198.19." in line for line in lines), lines
    return len(lines)


@pytest.mark.parametrize("format_", ["pcap-ns", "pcapng"])
def test_a_file_is_readable_while_it_is_written(
    agent: Agent, place: Path, engine: str, format_: str, tmp_path: Path
) -> None:
    """What is counted as stored is found by readers that bear a cut end, and nothing that never came."""
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    path = place / "x.pcap"
    args = ("--write", str(path), "--engine", engine, "--format", format_, "--flush", "100ms", "--when-full", "wait")
    with linked(agent, tmp_path, args, "--rate", "5kpps", "--count", "100000000") as (running, _):
        for packets in (1000, 3000, 6000):
            wait_until_received(running, packets)
            before = counters(running)["stored"]
            found = [read_by_tcpdump(path, engine)]
            ours = check(agent, path)
            found.append(ours.report["totals"]["good"])
            assert ours.report["totals"]["corrupt"] == ours.numbers["missing"] == ours.numbers["duplicates"] == 0
            assert before <= found[0] <= found[1] <= counters(running)["received"], (before, found)
        running.stop()
    assert check(agent, path).code == 0
