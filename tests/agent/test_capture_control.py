# SPDX-License-Identifier: Apache-2.0
"""What a capture tells the outside: readiness, counters, metrics, telemetry, the live view, and errors."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.support import Agent, assert_sum, read_packets, write_pcap

NULL_PORT = ("--port", "vdev:net_null0,size=64")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--count-only",), "no port is named"),
        ((*NULL_PORT,), "--write FILE or --count-only"),
        ((*NULL_PORT, "--count-only", "--write", "x"), "either --write"),
        (("--port", "nonsense", "--count-only"), "0000:81:10.0"),
        (("--port", "af_packet:no-such-if", "--count-only"), "no-such-if"),
        ((*NULL_PORT, "--huge-pages", "require", "--rx-desc", "32768", "--queues", "64", "--count-only"), "huge pages"),
        (("--port", "0000:ff:1f.7", "--count-only"), "there is no PCI device 0000:ff:1f.7"),
        (("--port", "vdev:net_vhost0,iface=/tmp/x", "--count-only"), "--version lists the drivers"),
        ((*NULL_PORT, "--write", "/no/such/directory/x.pcap"), "create the directory"),
        ((*NULL_PORT, "--write", "/"), "names no file"),
        ((*NULL_PORT, "--write", "/tmp/%z.pcap"), "after % stands"),
        ((*NULL_PORT, "--write", "/tmp/x", "--filter", "udp prt 53"), "not understood"),
        ((*NULL_PORT, "--write", "/tmp/x", "--rotate-size", "many"), "64M"),
        ((*NULL_PORT, "--write", "/tmp/x", "--max-files", "4"), "without rotation"),
        (("--port", "vdev:net_null0,size=60000", "--write", "/dev/shm/x", "--rotate-size", "1M"), "too small"),
        ((*NULL_PORT, "--count-only", "--queues", "0"), "--queues 0"),
        ((*NULL_PORT, "--count-only", "--duration", "0"), "above 0"),
        ((*NULL_PORT, "--count-only", "--pipe", "/tmp/p"), "--pipe needs --write"),
        ((*NULL_PORT, "--count-only", "--lcores", "0-"), "CPU numbers"),
        ((*NULL_PORT, "--count-only", "--lcores", "0,1023"), "cannot have CPU 1023"),
        ((*NULL_PORT, "--write", "/dev/null", "--engine", "mmap"), "not a regular file"),
        ((*NULL_PORT, "stray", "--count-only"), "stray"),
    ],
)
def test_bad_input_gets_one_clear_message(agent: Agent, args: tuple[str, ...], words: str) -> None:
    done = agent.run("capture", *args)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stderr.count("error:") == 1
    assert done.stdout == ""


def test_help_names_every_option(agent: Agent) -> None:
    shown = agent.run("capture", "--help").stdout
    source = (Path(__file__).parents[2] / "agent/src/capture/options.c").read_text()
    for option in re.findall(r'^    \{"([a-z-]+)", ', source, re.M):
        assert f"--{option}" in shown or option == "help", option


def test_an_unwritable_ready_file_leaves_nothing(agent: Agent, memory_dir: Path) -> None:
    done = agent.run("capture", *NULL_PORT, "--write", str(memory_dir / "x.pcap"), "--ready-file", "/no/such/file")
    assert done.returncode == 2 and "ready-file" in done.stderr
    assert not [path for path in memory_dir.iterdir() if path.name.startswith(".")]


def test_a_second_agent_on_the_same_files_is_refused(agent: Agent, memory_dir: Path, tmp_path: Path) -> None:
    rotation = ("--rotate-size", "1M", "--max-files", "4")
    for where in (memory_dir, tmp_path):
        running = agent.start(where, *NULL_PORT, "--write", str(where / "x.pcap"), *rotation)
        second = agent.run("capture", *NULL_PORT, "--write", str(where / "x.pcap"), *rotation, "--packets", "10")
        assert second.returncode == 2 and "another agent" in second.stderr, second.stderr
        running.stop()
        assert not [path.name for path in where.iterdir() if path.name.startswith(".")]
        agent.capture(*NULL_PORT, "--write", str(where / "x.pcap"), *rotation, "--packets", "10")


def test_metrics_file_is_open_metrics(agent: Agent, memory_dir: Path) -> None:
    metrics = memory_dir / "metrics"
    done = agent.capture(
        *NULL_PORT,
        "--queues",
        "2",
        "--write",
        str(memory_dir / "x.pcap"),
        "--packets",
        "5000",
        "--metrics-file",
        str(metrics),
    )
    lines = metrics.read_text().splitlines()
    assert lines[-1] == "# EOF"
    values = {}
    types: dict[str, str] = {}
    for line in lines[:-1]:
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            assert name not in types, "the samples of one name stand together"
            types[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = int(value)
            base = re.sub(r"\{.*", "", name)
            assert base in types or base.removesuffix("_total") in types
    stored = [value for name, value in values.items() if name.startswith("nfvcap_stored_total{")]
    assert len(stored) == 2 and sum(stored) == done.total["stored"] == 5000
    assert not [name for name in values if "nic_missed" in name], "a driver that cannot tell must not say 0"


def test_ready_is_said_to_the_service_manager(agent: Agent, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(30)
        process = subprocess.Popen(
            [str(agent.binary), "capture", "--quiet", *NULL_PORT, "--count-only", "--duration", "1.5"],
            env={**os.environ, "NOTIFY_SOCKET": str(address)},
            stdout=subprocess.DEVNULL,
        )
        messages = [manager.recv(4096).decode()]
        assert messages[0].startswith("READY=1\n")
        while "STOPPING=1" not in messages:
            messages.append(manager.recv(4096).decode())
        assert "WATCHDOG=1" in messages
        assert process.wait(30) == 0


def ask(pid: int, command: str) -> dict[str, dict[str, int]]:
    """One question to DPDK's telemetry socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
        talk.settimeout(20)
        talk.connect(f"/var/run/dpdk/nfvcap-{pid}/dpdk_telemetry.v2")
        talk.recv(1024)
        talk.send(command.encode())
        answer: dict[str, dict[str, int]] = json.loads(talk.recv(16384))
        return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="the socket's directory is another one for users")
def test_the_sum_holds_in_every_sample(agent: Agent, memory_dir: Path) -> None:
    running = agent.start(
        memory_dir,
        *NULL_PORT,
        "--write",
        str(memory_dir / "x.pcap"),
        "--rotate-size",
        "4M",
        "--max-files",
        "4",
        "--filter",
        "not arp",
    )
    samples = [ask(running.process.pid, "/nfvcap/total")["/nfvcap/total"] for _ in range(100)]
    queue = ask(running.process.pid, "/nfvcap/queue,0")["/nfvcap/queue"]
    clock = ask(running.process.pid, "/nfvcap/clock")["/nfvcap/clock"]
    assert ask(running.process.pid, "/nfvcap/queue,7")["/nfvcap/queue"] is None
    running.stop()
    for sample in [*samples, {k: v for k, v in queue.items() if k != "port"}]:
        assert_sum(sample)
    assert [s["received"] for s in samples] == sorted(s["received"] for s in samples)
    assert samples[-1]["received"] > samples[0]["received"]
    assert clock["tsc_hz"] > 10**8


def test_live_view_shows_whole_packets_and_costs_none(agent: Agent, memory_dir: Path) -> None:
    pipe, seen = memory_dir / "live", memory_dir / "seen.pcap"
    os.mkfifo(pipe)
    frames = [bytes([i % 256]) * (60 + i % 900) for i in range(2000)]
    write_pcap(memory_dir / "in.pcap", frames)
    with seen.open("wb") as out:
        reader = subprocess.Popen(["cat", str(pipe)], stdout=out)
        running = agent.start(
            memory_dir,
            "--port",
            f"pcap:{memory_dir / 'in.pcap'},infinite_rx=1",
            "--write",
            str(memory_dir / "x.pcap"),
            "--rotate-size",
            "8M",
            "--max-files",
            "3",
            "--pipe",
            str(pipe),
        )
        time.sleep(0.5)
        running.stop()
        reader.wait(30)
    packets = read_packets(seen)
    assert packets
    allowed = set(frames)
    assert all(packet.data in allowed for packet in packets)


def test_a_line_per_interval(agent: Agent) -> None:
    done = agent.run("capture", *NULL_PORT, "--count-only", "--duration", "1", "--stats-interval", "200ms")
    lines = [line for line in done.stderr.splitlines() if line.startswith("received ")]
    assert 1 <= len(lines) <= 6  # a machine at work may leave some out, and never adds one


def test_fail_on_loss(agent: Agent, small_tmpfs: Path) -> None:
    args = (*NULL_PORT, "--write", str(small_tmpfs / "x.pcap"), "--duration", "1", "--fail-on-loss")
    done = agent.run("capture", *args)
    assert done.returncode == 4 and "packets were lost" in done.stderr
    assert agent.run("capture", *NULL_PORT, "--count-only", "--packets", "10", "--fail-on-loss").returncode == 0


def test_filter_is_not_loss(agent: Agent, memory_dir: Path) -> None:
    frames = [b"\xff" * 12 + kind + bytes(50) for kind in (b"\x08\x06", b"\x08\x00") for _ in range(50)]
    write_pcap(memory_dir / "in.pcap", frames)
    done = agent.capture(
        "--port",
        f"pcap:{memory_dir / 'in.pcap'}",
        "--write",
        str(memory_dir / "out.pcap"),
        "--filter",
        "arp",
        "--stop-idle",
        "0.2",
        "--fail-on-loss",
    )
    assert done.total["stored"] == done.total["filtered"] == 50
    assert [p.data for p in read_packets(memory_dir / "out.pcap")] == frames[:50]
    assert done.report["filter_jit"] is True
