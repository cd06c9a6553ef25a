# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the kernel: what was sent into one end of a cable is stored at the other, or counted as missed."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.readers import assert_readers_agree
from tests.agent.support import Agent
from tests.agent.test_capture_control import ask
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


def seen(interface: str) -> int:
    """What went through the interface in both directions, as the kernel counts: who listens on it gets as many."""
    counters = Path("/sys/class/net", interface, "statistics")
    return sum(int((counters / name).read_text()) for name in ("rx_packets", "tx_packets"))


@pytest.mark.parametrize("port", ["af_packet:{},ring=1M", "pcap:{}"])
def test_what_the_kernel_drops_is_counted(agent: Agent, memory_dir: Path, veth: tuple[str, str], port: str) -> None:
    """A receiver that is stopped for a while: its ring in the kernel overflows, to the packet."""
    near, far = veth
    running = agent.start(
        memory_dir, "--port", port.format(far), "--write", str(memory_dir / "x.pcap"), *SMALL, "--filter", NUMBERED
    )
    try:
        before = seen(far)
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
    assert done.total["received"] + missed == seen(far) - before, (done.total, missed)
    assert done.total["stored"] + missed + done.total["filtered"] >= sent["sent"]


def test_nothing_is_forgotten_in_the_ring(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    """Stopped as soon as the last packet is there, in a block that the kernel has not handed over yet."""
    near, far = veth
    running = agent.start(memory_dir, "--port", f"af_packet:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL)
    before = seen(far)
    try:
        generate(agent, "--port", f"af_packet:{near}", "--count", "5000", "--rate", "50kpps")
        done = running.stop()  # at once
    except BaseException:
        running.kill()
        raise
    assert (done.total["stored"], done.report["ports"][0]["nic_missed"]) == (5000, 0)
    assert seen(far) - before == 5000


def test_what_comes_behind_the_end_is_not_missed(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    """Stopped in the middle of a stream: all up to a frame is in the file, and nothing behind it was ever let in."""
    near, far = veth
    running = agent.start(memory_dir, "--port", f"af_packet:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL)
    words = ["generate", "--port", f"af_packet:{near}", "--count", "1000000", "--rate", "10kpps", *SMALL]
    sender = subprocess.Popen([agent.binary, *words], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while seen(far) < 5000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            if sender.poll() is not None and seen(far) == 0:  # as in generate(): it has to be typed again
                sender = subprocess.Popen([agent.binary, *words], stdout=subprocess.DEVNULL)
        done = running.stop()
        assert sender.poll() is None
    except BaseException:
        running.kill()
        raise
    finally:
        sender.kill()
        sender.wait()
    stored = done.total["stored"]
    assert stored > 4000 and done.report["ports"][0]["nic_missed"] == 0
    assert check(agent, memory_dir / "x.pcap", "--expect", str(stored)).numbers["missing"] == 0


def send_raw(interface: str, frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        for frame in frames:
            sender.send(frame)


def captured(agent: Agent, where: Path, port: str, near: str, frames: list[bytes]) -> list[tuple[int, bytes]]:
    """What a capture makes of these frames: the length on the wire and the bytes of each."""
    running = agent.start(where, "--port", port, "--write", str(where / "x.pcap"), *SMALL)
    try:
        send_raw(near, frames)
        time.sleep(0.3)
        running.stop()
    except BaseException:
        running.kill()
        raise
    return [(p.wire_bytes, p.data) for p in assert_readers_agree(where / "x.pcap")]


def test_frames_longer_than_a_buffer(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    """DPDK's own af_packet driver cuts them, and nobody learns how long they were."""
    near, far = veth
    for end in veth:
        subprocess.run(["ip", "link", "set", end, "mtu", "9000"], check=True)
    rng = random.Random(1)
    frames = [bytes(6) + b"\2\0\0\0\0\1\x88\xb5" + rng.randbytes(n - 14) for n in (60, 1514, 1982, 2047, 4096, 9014)]
    assert captured(agent, memory_dir, f"af_packet:{far}", near, frames) == [(len(f), f) for f in frames]


def test_tags_that_the_kernel_took_off(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    near, far = veth
    tags = [b"\x81\x00\x60\x05", b"\x88\xa8\x00\x07", b"\x88\xa8\x00\x07\x81\x00\x00\x09", b""]
    frames = [bytes(6) + b"\2\0\0\0\0\1" + tag + b"\x88\xb5" + bytes(range(80)) for tag in tags]
    for end in veth:
        subprocess.run(["ip", "link", "set", end, "mtu", "9000"], check=True)
    frames.append(frames[0] + bytes(4000))  # in several buffers
    assert captured(agent, memory_dir, f"af_packet:{far}", near, frames) == [(len(f), f) for f in frames]


def test_stamps_are_those_of_arrival(agent: Agent, memory_dir: Path, veth: tuple[str, str]) -> None:
    """A receiver that stands still for two seconds finds out when the packets came all the same."""
    near, far = veth
    running = agent.start(memory_dir, "--port", f"af_packet:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL)
    try:
        running.process.send_signal(signal.SIGSTOP)
        generate(agent, "--port", f"af_packet:{near}", "--count", "2000", "--rate", "10kpps")
        time.sleep(2)
        running.process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        running.stop()
    except BaseException:
        running.kill()
        raise
    found = check(agent, memory_dir / "x.pcap", "--expect", "2000").report["totals"]
    assert found["good"] == 2000 and found["time_backward"] == 0
    assert found["delay_min_ns"] > -1e6 and found["delay_max_ns"] < 0.5e9, found


@pytest.mark.parametrize("queues", ["2", "5"])
def test_queues_share_an_interface(agent: Agent, memory_dir: Path, veth: tuple[str, str], queues: str) -> None:
    """Each packet is in one file, and all of a flow are in the same one."""
    near, far = veth
    running = agent.start(
        memory_dir, "--port", f"af_packet:{far}", "--queues", queues, "--write", str(memory_dir / "x.pcap"), *SMALL
    )
    try:
        generate(agent, "--port", f"af_packet:{near}", "--count", "6400", "--rate", "20kpps", "--flows", "64")
        time.sleep(0.3)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    files = sorted(memory_dir.glob("x*.pcap"))
    assert len(files) == int(queues) and done.total["stored"] == 6400
    assert check(agent, *files, "--expect", "6400", "--flows", "64").code == 0
    counts = [check(agent, path).report["totals"]["good"] for path in files]
    assert sum(counts) == 6400 and sum(count > 0 for count in counts) > 1 and all(n % 100 == 0 for n in counts)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
@pytest.mark.parametrize("from_the_start", [False, True])
def test_a_link_that_stays_down_is_told(
    agent: Agent, memory_dir: Path, veth: tuple[str, str], from_the_start: bool
) -> None:
    """A gap that is still open counts: in samples while it grows, and in the report."""
    near, far = veth
    if from_the_start:
        subprocess.run(["ip", "link", "set", near, "down"], check=True)
    running = agent.start(
        memory_dir, "--port", f"af_packet:{far}", "--write", str(memory_dir / "x.pcap"), *SMALL,
        "--metrics-file", str(memory_dir / "metrics"),
    )  # fmt: skip
    try:
        if not from_the_start:
            assert ask(running.process.pid, "/nfvcap/links")["/nfvcap/links"]["link_gap_ns"] == 0
            subprocess.run(["ip", "link", "set", near, "down"], check=True)
        time.sleep(0.5)
        first = ask(running.process.pid, "/nfvcap/links")["/nfvcap/links"]
        time.sleep(0.5)
        second = ask(running.process.pid, "/nfvcap/links")["/nfvcap/links"]
        assert first["ports_away"] == second["ports_away"] == 1
        assert first["link_gap_ns"] > 0.2e9 and second["link_gap_ns"] - first["link_gap_ns"] > 0.4e9
        running.send(signal.SIGUSR1)
        time.sleep(0.2)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    assert done.report["ports"][0]["link_up"] is False
    assert second["link_gap_ns"] < done.report["link_gap_ns"] <= done.report["end_ns"] - done.report["start_ns"] + 1e7
    assert "1 of 1 ports had no link at the end" in done.stderr and "ms (still)" in done.stderr
    (metric,) = re.findall(r"^nfvcap_link_gap_ns_total (\d+)$", (memory_dir / "metrics").read_text(), re.MULTILINE)
    assert int(metric) == done.report["link_gap_ns"]
