# SPDX-License-Identifier: Apache-2.0
"""Numbered frames from `generate` through a shared-memory link into `capture`, recounted by `check`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.support import Agent, Running, write_pcap
from tests.agent.test_capture_control import ask


class Link:
    """Two programs joined by memif."""

    def __init__(self, agent: Agent, directory: Path) -> None:
        self.agent = agent
        self.directory = directory
        self.socket = directory / "memif"

    def port(self, role: str) -> str:
        return f"vdev:net_memif0,role={role},socket={self.socket},socket-abstract=no"

    def capture(self, *args: str) -> Running:
        return self.agent.start(self.directory, "--port", self.port("server"), "--rx-desc", "1024", *args)

    def generate(self, count: int, *args: str) -> subprocess.Popen[str]:
        command = [str(self.agent.binary), "generate", "--json", "--port", self.port("client"), "--count", str(count)]
        return subprocess.Popen([*command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def dismiss(sender: subprocess.Popen[str]) -> None:
    """The sender goes after the capture: what lies in the shared ring when it leaves would be gone."""
    sender.terminate()
    sender.communicate(timeout=30)


def recount(agent: Agent, where: Path) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads(agent.run("check", "--json", *map(str, sorted(where.glob("*.pcap")))).stdout)
    return verdict


@pytest.fixture
def link(agent: Agent, tmp_path: Path) -> Link:
    return Link(agent, tmp_path)


def place_for(engine: str, memory_dir: Path, tmp_path: Path) -> Path:
    where = memory_dir if engine == "mmap" else tmp_path / "out"
    where.mkdir(exist_ok=True)
    return where


@pytest.mark.parametrize("engine", ["mmap", "direct", "write"])
def test_sent_captured_and_recounted_agree(agent: Agent, link: Link, memory_dir: Path, engine: str) -> None:
    where = place_for(engine, memory_dir, link.directory)
    running = link.capture(
        "--write", str(where / "x.pcap"), "--engine", engine, "--rotate-size", "2M", "--when-full", "wait",
        "--packets", "100000",
    )  # fmt: skip
    sender = link.generate(100_000_000, "--size", "imix", "--rate", "0.1")
    done = running.ended()
    dismiss(sender)
    verdict = recount(agent, where)
    assert done.total["received"] == done.total["stored"] == verdict["totals"]["good"] == 100_000
    assert done.total["files"] > 5
    numbers = verdict["numbers"]
    assert (numbers["distinct"], numbers["duplicates"], numbers["reordered"]) == (100_000, 0, 0)
    assert numbers["missing"] == 0 and verdict["totals"]["corrupt"] == 0


@pytest.mark.parametrize("abuse", [signal.SIGSTOP, signal.SIGHUP])
def test_every_frame_that_came_is_in_a_file(agent: Agent, link: Link, memory_dir: Path, abuse: signal.Signals) -> None:
    """Stopped for a while, or told to rotate: what was received is stored once, in order, and nothing else is."""
    running = link.capture("--write", str(memory_dir / "x.pcap"), "--rotate-size", "4M", "--when-full", "wait")
    sender = link.generate(100_000_000, "--size", "64", "--rate", "0.05")
    if os.geteuid() == 0:
        pid = running.process.pid
        assert wait_for(lambda: ask(pid, "/nfvcap/total")["/nfvcap/total"]["received"] > 0), "the sender did not start"
    time.sleep(0.5)
    for _ in range(4):
        running.send(abuse)
        time.sleep(0.2)
        running.send(signal.SIGCONT)
        time.sleep(0.3)
    done = running.stop()
    dismiss(sender)
    verdict = recount(agent, memory_dir)
    assert done.total["stored"] == done.total["received"] > 500  # how many is up to the machine
    assert verdict["totals"]["packets"] == verdict["totals"]["good"] == done.total["stored"]
    numbers = verdict["numbers"]
    assert (numbers["distinct"], numbers["duplicates"], numbers["reordered"]) == (done.total["stored"], 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
def test_a_port_stopped_and_started(agent: Agent, memory_dir: Path) -> None:
    running = agent.start(
        memory_dir, "--port", "vdev:net_null0,size=64", "--write", str(memory_dir / "x.pcap"), "--rotate-size", "8M",
        "--max-files", "4",
    )  # fmt: skip
    for _ in range(5):
        before = ask(running.process.pid, "/nfvcap/total")["/nfvcap/total"]["received"]
        ask(running.process.pid, "/nfvcap/restart,0")
        time.sleep(0.3)
        assert ask(running.process.pid, "/nfvcap/total")["/nfvcap/total"]["received"] > before
    done = running.stop()
    assert done.report["port_restarts"] >= 4
    agent.check(*sorted(memory_dir.glob("*.pcap")))


@pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
def test_a_port_that_cannot_start_at_once_is_tried_again(agent: Agent, memory_dir: Path) -> None:
    """net_pcap opens its file at each start: without it the port stays away, the other one goes on all the while."""
    source, away = memory_dir / "in.pcap", memory_dir / "away.pcap"
    write_pcap(source, [bytes(60)] * 100)
    running = agent.start(
        memory_dir, "--port", f"pcap:{source}", "--port", "vdev:net_null1,size=64", "--write",
        str(memory_dir / "x.pcap"), "--rotate-size", "8M", "--max-files", "3", "--lcores", "0",
    )  # fmt: skip
    pid = running.process.pid

    def received(queue: int) -> int:
        return int(ask(pid, f"/nfvcap/queue,{queue}")["/nfvcap/queue"]["received"])

    assert wait_for(lambda: received(0) == 100)
    source.rename(away)
    ask(pid, "/nfvcap/restart,0")
    time.sleep(0.5)
    before = received(1)
    time.sleep(0.3)
    assert received(0) == 100 and received(1) > before
    away.rename(source)
    assert wait_for(lambda: received(0) == 200)
    done = running.stop()
    assert done.report["port_restarts"] == 1 and done.report["link_gap_ns"] >= 0.8e9
    assert done.stderr.count("cannot be started again yet") == 1
    agent.check(*sorted(memory_dir.glob("x*.pcap")))


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
