# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the kernel: what was sent into one end of a cable is stored at the other, or counted as missed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.support import Agent
from tests.agent.test_generate import SMALL, generate
from tests.agent.test_generate_links import veth

__all__ = ["veth"]

NUMBERED = "ether proto 0xcafe or (ip and udp port 51966)"


def capture_all(agent: Agent, port: str, near: str, where: Path, *args: str, count: int, rate: str) -> dict[str, int]:
    """Numbered frames from the near end; what the far end says of them, and what its file holds."""
    running = agent.start(where, "--port", port, "--write", str(where / "x.pcap"), *SMALL, "--engine", "write", *args)
    try:
        sent = generate(agent, "--port", f"af_packet:{near}", "--count", str(count), "--rate", rate, "--size", "64,900")
        time.sleep(0.5)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    assert sent["sent"] == count
    found = check(agent, where / "x.pcap", "--expect", str(count))
    assert found.report["totals"]["good"] == done.total["stored"] == done.total["received"]
    assert found.numbers["duplicates"] == found.numbers["reordered"] == found.report["totals"]["corrupt"] == 0
    missed = done.report["ports"][0]["nic_missed"]
    return {"missing": found.numbers["missing"], "missed": missed, "stored": done.total["stored"]}


@pytest.mark.parametrize("kind", ["af_packet", "af_xdp", "pcap"])
def test_every_frame_is_stored_or_missed(agent: Agent, memory_dir: Path, veth: tuple[str, str], kind: str) -> None:
    near, far = veth
    found = capture_all(agent, f"{kind}:{far}", near, memory_dir, count=4000, rate="10kpps")
    assert found["stored"] > 0 and found["missing"] == found["missed"], found


@pytest.mark.parametrize("kind", ["af_packet", "pcap"])
def test_what_the_kernel_drops_is_counted(agent: Agent, memory_dir: Path, veth: tuple[str, str], kind: str) -> None:
    """A receiver that is stopped for a while: its ring in the kernel overflows, to the packet."""
    near, far = veth
    running = agent.start(
        memory_dir, "--port", f"{kind}:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL, "--filter", NUMBERED
    )
    try:
        running.process.send_signal(signal.SIGSTOP)
        sent = generate(agent, "--port", f"af_packet:{near}", "--count", "30000", "--rate", "100kpps")
        running.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    missed = done.report["ports"][0]["nic_missed"]
    assert missed > 0
    # None of ours is in neither. On a busy machine missed was 4 too high (4100 + 25904 of 30000); why is not known yet.
    assert 0 <= done.total["stored"] + missed - sent["sent"] <= 16, (done.total, missed)


def test_a_tap_interface_of_our_own(agent: Agent, memory_dir: Path) -> None:
    running = agent.start(
        memory_dir, "--port", "vdev:net_tap0,iface=nfgtap0", "--write", str(memory_dir / "x.pcap"), *SMALL,
        "--filter", NUMBERED,
    )  # fmt: skip
    try:
        subprocess.run(["ip", "link", "set", "nfgtap0", "up"], check=True)
        generate(agent, "--port", "af_packet:nfgtap0", "--count", "500", "--rate", "5kpps")
        time.sleep(0.3)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    assert done.total["stored"] == 500
    assert check(agent, memory_dir / "x.pcap", "--expect", "500").code == 0


def test_a_link_that_goes_down_and_comes_back(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    near, far = veth
    running = agent.start(memory_dir, "--port", f"af_packet:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL)
    try:
        generate(agent, "--port", f"af_packet:{near}", "--count", "100", "--rate", "5kpps")
        subprocess.run(["ip", "link", "set", near, "down"], check=True)
        time.sleep(0.5)
        subprocess.run(["ip", "link", "set", near, "up"], check=True)
        time.sleep(1.5)  # the port is started again when its link is seen
        generate(agent, "--port", f"af_packet:{near}", "--count", "100", "--first", "100", "--rate", "5kpps")
        time.sleep(1)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    assert done.total["stored"] == 200
    assert done.report["ports"][0]["link_changes"] >= 2 and done.report["link_gap_ns"] > 0.2e9, done.report
    assert "link down" in done.stderr
