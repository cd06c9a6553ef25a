# SPDX-License-Identifier: Apache-2.0
"""Where stamps come from: the NIC's clock (of a stand-in, see agent/tests/fake_nic.c), a capture file, or ours."""

from __future__ import annotations

import json
import random
import struct
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nfvcap.agent.build import RELEASE
from tests.agent.build import built
from tests.agent.support import Agent, judge, read_packets

MINIMAL = ("--burst-buffer", "4M", "--rx-desc", "512")
APART_NS = 32  # between packets of one burst of the stand-in


@pytest.fixture(scope="module")
def on_nic(agent_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """The program on a NIC that stamps."""
    program = tmp_path_factory.mktemp("nic") / "nfvcap-agent"
    with built(agent_source, RELEASE, ("tests/agent_on_fake_nic",)) as work:
        program.write_bytes((work / "tests" / "agent_on_fake_nic").read_bytes())
    program.chmod(0o755)
    return Agent(program)


def port_report(report: dict[str, Any]) -> dict[str, Any]:
    (port,) = report["ports"]
    return dict(port)


def capture_null(agent: Agent, where: Path, *args: str, packets: int = 20000) -> tuple[list[int], dict[str, Any]]:
    """Stamps of as many packets, all between the start and the end, in order; and the report."""
    started_ns = time.time_ns()
    done = agent.capture("--port", "vdev:net_null0,size=64", "--write", str(where / "x.pcap"), "--packets",
                         str(packets), *MINIMAL, *args)  # fmt: skip
    stamps = [packet.ns for packet in read_packets(where / "x.pcap")]
    assert len(stamps) == packets and stamps == sorted(stamps)
    assert started_ns - 1_000_000 < stamps[0] and stamps[-1] <= time.time_ns() + 1_000_000
    return stamps, done.report


@pytest.mark.parametrize("wish", ["nic", "auto"])
def test_the_nics_own_times_come_out(on_nic: Agent, memory_dir: Path, wish: str) -> None:
    """Not only about right: the distance of two packets of a burst is the NIC's, to the nanosecond."""
    stamps, report = capture_null(on_nic, memory_dir, "--timestamps", wish)
    port = port_report(report)
    assert port["timestamps"] == "nic" and report["total"]["unstamped"] == 0
    assert 150e6 < port["nic_clock"]["hz"] < 162e6 and port["nic_clock"]["steps"] == 0
    apart = [later - earlier for earlier, later in pairwise(stamps)]
    inside = [gap for i, gap in enumerate(apart) if (i + 1) % 64 != 0]  # net_null's bursts are full
    assert sum(abs(gap - APART_NS) <= 1 for gap in inside) > 0.9 * len(inside), inside[:200]


def test_the_line_follows_for_longer(on_nic: Agent, memory_dir: Path) -> None:
    """Over several corrections of both clocks, in several files: in order, never ahead, close to the system's clock."""
    done = on_nic.capture("--port", "vdev:net_null0,size=64", "--write", str(memory_dir / "x.pcap"),
                          "--timestamps", "nic", "--duration", "2", "--rotate-size", "4M", "--max-files", "4",
                          *MINIMAL)  # fmt: skip
    port = port_report(done.report)
    assert port["nic_clock"]["failed_readings"] == 0 and port["nic_clock"]["max_error_ns"] < 1_000_000
    for path in memory_dir.glob("x-*.pcap"):
        stamps = [packet.ns for packet in read_packets(path)]
        assert stamps == sorted(stamps)
    assert abs(stamps[-1] - done.report["end_ns"]) < 5_000_000_000


def test_packets_without_a_time_are_counted(on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFVCAP_FAKE_NIC", "holes")
    _, report = capture_null(on_nic, memory_dir, "--timestamps", "nic", packets=6400)
    assert 6400 * 12 // 64 <= report["total"]["unstamped"] <= 6400 * 13 // 64 + 13


def test_times_of_another_scale_are_not_believed(
    on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFVCAP_FAKE_NIC", "scale")
    _, report = capture_null(on_nic, memory_dir, "--timestamps", "nic", packets=6400)
    assert report["total"]["unstamped"] >= 6400


def test_a_clock_that_is_set_is_followed(on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour on: until it is noticed, packets count as unstamped; afterwards they have the right time again."""
    monkeypatch.setenv("NFVCAP_FAKE_NIC", "set")
    started_ns = time.time_ns()
    done = on_nic.capture("--port", "vdev:net_null0,size=64", "--write", str(memory_dir / "x.pcap"),
                          "--timestamps", "nic", "--duration", "3", "--rotate-size", "4M", "--max-files", "2",
                          *MINIMAL)  # fmt: skip
    assert port_report(done.report)["nic_clock"]["steps"] == 1
    assert 0 < done.total["unstamped"] < done.total["received"]
    (last, *_) = sorted(memory_dir.glob("x-*.pcap"), reverse=True)
    stamps = [packet.ns for packet in read_packets(last)]
    assert stamps == sorted(stamps) and started_ns < stamps[0] and stamps[-1] <= time.time_ns() + 1_000_000
    apart = [later - earlier for earlier, later in pairwise(stamps)]
    assert sum(abs(gap - APART_NS) <= 1 for gap in apart) > len(apart) / 2


@pytest.mark.parametrize(("fault", "said"), [("mute", "does not tell the clock"), ("stopped", "does not run")])
def test_a_clock_that_cannot_be_used_is_refused(
    on_nic: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, said: str
) -> None:
    monkeypatch.setenv("NFVCAP_FAKE_NIC", fault)
    words = ("capture", "--port", "vdev:net_null0", "--write", str(tmp_path / "x.pcap"), *MINIMAL)
    done = on_nic.run(*words, "--timestamps", "nic")
    assert done.returncode == 2 and said in done.stderr
    if fault == "mute":
        assert list(tmp_path.iterdir()) == []
        done = on_nic.run(*words, "--timestamps", "auto", "--packets", "1", "--json")
        assert port_report(judge(done.returncode, done.stdout, done.stderr).report)["timestamps"] == "tsc"


def write_with_times(path: Path, times_us: list[int]) -> list[bytes]:
    rng = random.Random(3)
    frames = [rng.randbytes(rng.choice([60, 64, 700, 3000])) for _ in times_us]
    data = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for us, frame in zip(times_us, frames, strict=True):
        data += struct.pack("<IIII", us // 1_000_000, us % 1_000_000, len(frame), len(frame)) + frame
    path.write_bytes(data)
    return frames


@pytest.mark.parametrize("format_", ["pcap-ns", "pcap-us", "pcapng"])
@pytest.mark.parametrize("port", ["pcap:{}", "vdev:net_pcap0,rx_pcap={}"])
def test_a_files_own_times_come_out(agent: Agent, tmp_path: Path, port: str, format_: str) -> None:
    """Of years ago, across seconds, of the future (of libpcap), back and forth: as the file has them."""
    rng = random.Random(4)
    times = [1_234_567_890_000_000 + i * 7001 for i in range(300)] + [
        rng.randrange(1, 2**31 * 1_000_000) for _ in range(50)
    ]
    frames = write_with_times(tmp_path / "in.pcap", times)
    done = agent.capture("--port", port.format(tmp_path / "in.pcap"), "--write", str(tmp_path / "out.pcap"),
                         "--format", format_, "--timestamps", "file", "--stop-idle", "0.2",
                         "--when-full", "wait", *MINIMAL)  # fmt: skip
    packets = read_packets(tmp_path / "out.pcap")
    assert [packet.ns for packet in packets] == [us * 1000 for us in times]
    assert [packet.data for packet in packets] == frames
    assert port_report(done.report)["timestamps"] == "file" and done.total["unstamped"] == 0


def test_a_files_times_with_a_filter_and_a_snaplen(agent: Agent, tmp_path: Path) -> None:
    times = [10_000_000 + i for i in range(400)]
    frames = write_with_times(tmp_path / "in.pcap", times)
    agent.capture("--port", f"pcap:{tmp_path / 'in.pcap'}", "--write", str(tmp_path / "out.pcap"),
                  "--timestamps", "file", "--filter", "greater 100", "--snaplen", "80", "--stop-idle", "0.2",
                  "--when-full", "wait", *MINIMAL)  # fmt: skip
    wanted = [(us * 1000, frame[:80]) for us, frame in zip(times, frames, strict=True) if len(frame) >= 100]
    assert [(packet.ns, packet.data) for packet in read_packets(tmp_path / "out.pcap")] == wanted


@pytest.mark.parametrize(
    ("port", "wish", "said"),
    [
        ("vdev:net_null0", "nic", "does not stamp packets"),
        ("vdev:net_null0", "file", "not a capture file"),
        ("af_packet:lo", "nic", "the kernel's stamps"),
        ("pcap:{in.pcap}", "nic", "does not stamp packets"),
        ("pcap:{in.pcap},infinite_rx=1", "file", "read once"),
        ("pcap:{in.pcap}", "file --rotate-time 1", "does not go with"),
        ("vdev:net_null0", "ptp", "tsc, nic, auto, file"),
    ],
)
def test_what_is_not_offered_is_refused(agent: Agent, tmp_path: Path, port: str, wish: str, said: str) -> None:
    """In one message, before anything is written."""
    source = tmp_path / "in.pcap"
    write_with_times(source, [1, 2, 3])
    target = tmp_path / "out"
    target.mkdir()
    done = agent.run("capture", "--port", port.replace("{in.pcap}", str(source)), "--write", str(target / "x.pcap"),
                     *MINIMAL, "--timestamps", *wish.split())  # fmt: skip
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(("port", "source"), [("vdev:net_null0", "tsc"), ("af_packet:lo", "kernel")])
@pytest.mark.parametrize("wish", ["tsc", "auto"])
def test_what_there_is_is_said(agent: Agent, port: str, source: str, wish: str) -> None:
    done = agent.run(
        "capture", "--quiet", "--json", "--port", port, "--count-only", "--duration", "0.1", "--timestamps", wish
    )
    assert done.returncode == 0, done.stderr
    assert port_report(json.loads(done.stdout))["timestamps"] == source
