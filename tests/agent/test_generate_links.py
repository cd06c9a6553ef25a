# SPDX-License-Identifier: Apache-2.0
"""`generate` through real links between two programs: what was sent is what arrives, to the packet."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.support import Agent, Running
from tests.agent.test_capture_control import ask
from tests.agent.test_generate import SMALL, generate

ETH_P_ALL, SOL_PACKET, PACKET_FANOUT = 3, 263, 18  # linux/if_ether.h, if_packet.h


def memif(directory: Path, role: str) -> str:
    return f"vdev:net_memif0,role={role},socket={directory}/memif.sock,socket-abstract=no,rsize=10"


@pytest.mark.parametrize("args", [("--size", "64", "--flows", "16"), ("--size", "imix", "--vlan", "9")])
def test_memif_to_our_capture(agent: Agent, tmp_path: Path, memory_dir: Path, args: tuple[str, ...]) -> None:
    capture = agent.start(
        memory_dir, "--port", memif(tmp_path, "server"), "--write", str(memory_dir / "x.pcap"), *SMALL,
        "--wait-link", "0", "--when-full", "wait",
    )  # fmt: skip
    try:
        report = generate(agent, "--port", memif(tmp_path, "client"), "--count", "100000", "--rate", "max", *args)
        assert report["sent"] == 100_000
        wait_until_quiet(memory_dir / "x.pcap")
        done = capture.stop()
    except BaseException:
        capture.kill()
        raise
    assert done.total["received"] == done.total["stored"] == 100_000
    flows = args[args.index("--flows") + 1] if "--flows" in args else "1"
    found = check(agent, memory_dir / "x.pcap", "--expect", "100000", "--flows", flows)
    assert found.code == 0 and found.report["totals"]["wire_bytes"] == report["sent_bytes"]


def received(capture: Running) -> int:
    return int(ask(capture.process.pid, "/nfvcap/total")["/nfvcap/total"]["received"])


@pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
@pytest.mark.parametrize("rounds", [6, pytest.param(150, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_memif_peers_that_are_killed(agent: Agent, tmp_path: Path, memory_dir: Path, rounds: int) -> None:
    """Senders die at full rate, in the middle of a burst or of their greeting: the capture outlives them all.

    DPDK's driver unmaps the shared rings while they are read, and panics when a greeting fails (memif_peer.c).
    """
    rng = random.Random(rounds)
    capture = agent.start(
        memory_dir, "--port", memif(tmp_path, "server"), "--write", str(memory_dir / "x.pcap"), *SMALL,
        "--rotate-size", "16M", "--max-files", "3",
    )  # fmt: skip
    try:
        for _ in range(rounds):
            command = ["generate", "--port", memif(tmp_path, "client"), "--rate", "max", "--duration", "20", *SMALL]
            sender = subprocess.Popen([str(agent.binary), *command], stdout=subprocess.DEVNULL)
            before, deadline = received(capture), time.monotonic() + 10
            while received(capture) == before and sender.poll() is None and time.monotonic() < deadline:
                if rng.random() < 0.02:
                    break  # in the middle of its start
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.1))
            sender.kill()
            sender.wait()
            assert capture.process.poll() is None, capture.process.communicate()
        done = capture.stop()
    except BaseException:
        capture.kill()
        raise
    assert done.total["received"] > 0
    agent.run("check", *map(str, sorted(memory_dir.glob("x*.pcap"))))


def wait_until_quiet(path: Path) -> None:
    """Until the receiver has worked off what is in the ring: the file stops changing.

    A receiver that gets no CPU time for a while looks quiet, too: hence two whole seconds.
    """
    before, same = -1, 0
    deadline = time.monotonic() + 60
    while same < 20 and time.monotonic() < deadline:
        now = path.stat().st_mtime_ns
        same = same + 1 if now == before else 0
        before = now
        time.sleep(0.1)


@pytest.fixture
def veth() -> Iterator[tuple[str, str]]:
    """Two ends of a cable, with nothing else on them."""
    near, far = f"nfg{os.getpid() % 100000}a", f"nfg{os.getpid() % 100000}b"
    made = subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", far], capture_output=True)
    if made.returncode != 0:
        pytest.skip("a veth pair can only be made by root")
    for end in (near, far):
        Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1\n")
        subprocess.run(["ip", "link", "set", end, "up", "promisc", "on"], check=True)
    yield near, far
    subprocess.run(["ip", "link", "del", near], check=True)


def test_a_number_that_another_program_has_is_told(agent: Agent, veth: tuple[str, str]) -> None:
    near, far = veth
    words = ["generate", *SMALL, "--port", f"af_packet:{near}", "--count", "1"]
    # A shell that becomes the agent: its process is known before the agent asks for the number.
    waiting = subprocess.Popen(
        ["sh", "-c", 'read go; exec "$@"', "sh", str(agent.binary), *words], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as other:
        other.bind((far, ETH_P_ALL))
        other.setsockopt(SOL_PACKET, PACKET_FANOUT, (waiting.pid ^ socket.if_nametoindex(near)) & 0xFFFF)
        _, said = waiting.communicate("go\n", timeout=60)
    assert waiting.returncode == 2
    assert f'"af_packet:{near}" cannot be used by this process' in said and "type the command again" in said


def test_af_packet_to_tcpdump(agent: Agent, tmp_path: Path, veth: tuple[str, str]) -> None:
    """What tcpdump says that it lost is what is missing; everything else is there."""
    near, far = veth
    path = tmp_path / "x.pcap"
    command = ["tcpdump", "-n", "-i", far, "-B", "65536", "--nano", "-w", str(path), "-U"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr is not None
        assert "listening" in tcpdump.stderr.readline()
        report = generate(agent, "--port", f"af_packet:{near}", "--count", "20000", "--rate", "50kpps", "--flows", "3")
        wait_until_quiet(path)
        tcpdump.terminate()
        said = tcpdump.stderr.read()
    lost = int(re.findall(r"(\d+) packets dropped by kernel", said)[0])
    done = check(agent, path, "--expect", "20000", "--flows", "3")
    assert report["sent"] == 20_000
    assert done.numbers["missing"] == lost and done.numbers["duplicates"] == done.report["totals"]["corrupt"] == 0


def test_af_packet_replay_reaches_our_capture(agent: Agent, tmp_path: Path, veth: tuple[str, str]) -> None:
    near, far = veth
    generate(agent, "--port", f"vdev:net_pcap0,tx_pcap={tmp_path}/in.pcap", "--count", "2000", "--size", "64,600",
             "--rate", "max")  # fmt: skip
    capture: Running = agent.start(
        tmp_path, "--port", f"af_packet:{far}", "--write", str(tmp_path / "out.pcap"), *SMALL, "--engine", "write"
    )
    try:
        report = generate(agent, "--port", f"af_packet:{near}", "--replay", tmp_path / "in.pcap", "--renumber",
                          "--rounds", "3", "--rate", "20kpps")  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (tmp_path / "out.pcap").stat().st_size < 6000 * 76:
            time.sleep(0.1)
        time.sleep(0.3)
        done = capture.stop()
    except BaseException:
        capture.kill()
        raise
    assert report["sent"] == 6000
    found = check(agent, tmp_path / "out.pcap", "--expect", "6000")
    assert done.total["received"] == found.report["totals"]["packets"]
    assert found.numbers["missing"] == 0, (done.total, found.numbers)
