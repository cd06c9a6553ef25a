# SPDX-License-Identifier: Apache-2.0
"""A virtual function whose host refuses, resets and does not say how fast it is: a stand-in, agent/tests/fake_vf.c."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.support import Agent, judge, read_packets, write_pcap
from tests.agent.test_capture_stamps import on_nic, port_report

__all__ = ["on_nic"]

MINIMAL = ("--burst-buffer", "4M", "--rx-desc", "512", "--huge-pages", "off")
NULL_PORT = ("--port", "vdev:net_null0,size=64")
HOST_BUSY_NS = 500_000_000  # of the stand-in


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in notes what it is asked for."""
    log = tmp_path / "calls"
    monkeypatch.setenv("NFVCAP_FAKE_VF_LOG", str(log))
    return log


def said(log: Path, what: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines() if line.startswith(f"{what} ")]


def test_a_reset_is_survived_and_its_gap_told(
    on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    """Tried until the host is done; then packets come again, into the same files, and the VF is promiscuous again."""
    monkeypatch.setenv("NFVCAP_FAKE_VF", "reset")
    command = on_nic.run("capture", "--json", *NULL_PORT, "--write", str(memory_dir / "x.pcap"), *MINIMAL,
                         "--duration", "2", "--rotate-size", "8M", "--max-files", "4")  # fmt: skip
    assert command.returncode == 0, command.stderr
    done = judge(command.returncode, command.stdout, command.stderr)
    assert done.report["stop_reason"] == "duration" and done.report["port_restarts"] == 1
    gap_ns = done.report["link_gap_ns"]
    assert HOST_BUSY_NS <= gap_ns < 1.9e9
    attempts = said(calls, "reset")
    assert attempts[0] == "refused" and attempts.count("done") == 1 and attempts[-1] == "done"
    assert len(said(calls, "promiscuous")) == len(said(calls, "allmulticast")) == 2
    assert port_report(done.report)["promiscuous"] == "yes"
    assert done.stderr.count("cannot be started again yet") == 1
    assert f"reset and started again, {gap_ns // 1000} us without it" in done.stderr
    assert "link down" not in done.stderr, "its gap would count twice"
    for path in memory_dir.glob("x*.pcap"):
        assert check(on_nic, path).report["totals"]["time_backward"] == 0


def test_a_reset_that_never_ends_is_a_gap_up_to_the_end(
    on_nic: Agent, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    monkeypatch.setenv("NFVCAP_FAKE_VF", "reset-forever")
    command = on_nic.run("capture", "--json", *NULL_PORT, "--count-only", *MINIMAL, "--duration", "1.5")
    assert command.returncode == 0, command.stderr
    done = judge(command.returncode, command.stdout, command.stderr)
    assert said(calls, "reset").count("done") == 0 and done.report["port_restarts"] == 0
    assert 0.9e9 < done.report["link_gap_ns"] < 1.3e9, "from the driver's word after 0.3 s on"
    assert "1 of 1 ports had no link at the end" in done.stderr


@pytest.mark.parametrize("lcores", ["0,1", "0"])
def test_other_ports_go_on_while_one_is_reset(
    on_nic: Agent, monkeypatch: pytest.MonkeyPatch, calls: Path, lcores: str
) -> None:
    """The driver takes two seconds. A thread of its own goes on; one for both ports says that it did not."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("two threads need two CPUs")
    monkeypatch.setenv("NFVCAP_FAKE_VF", "slow-reset")
    done = on_nic.capture(*NULL_PORT, "--port", "vdev:net_null1,size=64", "--count-only", *MINIMAL, "--lcores", lcores,
                          "--duration", "4")  # fmt: skip
    assert said(calls, "reset")[-1] == "done" and done.report["port_restarts"] == 1
    reset, other = (port["queues"][0] for port in done.report["ports"])
    assert reset["received"] > 0 and done.report["link_gap_ns"] > 2.4e9
    if lcores == "0,1":
        assert other["max_gap_ns"] < 1e9, "the port beside it stood still, too"
    else:
        assert other["max_gap_ns"] > 1.9e9


def test_packets_before_and_after_a_reset_are_in_one_file(
    on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch, calls: Path
) -> None:
    """net_pcap begins its file again when it is started: every frame is there twice, the gap between the two."""
    monkeypatch.setenv("NFVCAP_FAKE_VF", "reset")
    frames = [random.Random(i).randbytes(60 + i % 900) for i in range(500)]
    write_pcap(memory_dir / "in.pcap", frames)
    done = on_nic.capture("--port", f"pcap:{memory_dir / 'in.pcap'}", "--write", str(memory_dir / "x.pcap"), *MINIMAL,
                          "--duration", "2")  # fmt: skip
    packets = read_packets(memory_dir / "x.pcap")
    assert [packet.data for packet in packets] == frames * 2
    # None is dated back into the time when there was no port; 2 ms: the log's clock begins a little before ours ends.
    apart_ns = packets[500].ns - packets[499].ns
    assert apart_ns >= done.report["link_gap_ns"] - 2_000_000 and done.report["link_gap_ns"] >= HOST_BUSY_NS
    assert done.total["stored"] == 1000


@pytest.mark.parametrize("how", ["refuses", "ignores"])
def test_promiscuous_mode_refused(on_nic: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """By an error, or by nothing: it is read back. Reported, and a reason to refuse when it is required."""
    monkeypatch.setenv("NFVCAP_FAKE_VF", f"{how}-promiscuous")
    words = ("--write", str(tmp_path / "x.pcap"), *MINIMAL, "--packets", "10")
    done = on_nic.capture(*NULL_PORT, *words)
    assert port_report(done.report)["promiscuous"] == "no" and port_report(done.report)["allmulticast"] == "yes"
    assert done.stderr.count("promiscuous mode is refused") == 1 and "trust on" in done.stderr
    (tmp_path / "x.pcap").unlink()
    refused = on_nic.run("capture", *NULL_PORT, *words, "--require-promiscuous")
    assert refused.returncode == 2 and "promiscuous mode is not on" in refused.stderr
    assert not (tmp_path / "x.pcap").exists()


@pytest.mark.parametrize("how", ["refuses", "ignores"])
def test_all_multicast_refused(on_nic: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setenv("NFVCAP_FAKE_VF", f"{how}-multicast")
    done = on_nic.capture(*NULL_PORT, "--count-only", *MINIMAL, "--packets", "10", "--require-promiscuous")
    assert port_report(done.report)["promiscuous"] == "yes" and port_report(done.report)["allmulticast"] == "no"
    assert done.stderr.count("receiving all multicast is refused") == 1


def test_nothing_refused_is_nothing_said(on_nic: Agent) -> None:
    done = on_nic.capture(*NULL_PORT, "--count-only", *MINIMAL, "--packets", "10", "--require-promiscuous")
    assert port_report(done.report)["promiscuous"] == port_report(done.report)["allmulticast"] == "yes"
    assert "refused" not in done.stderr


def toeplitz(key: bytes, data: bytes) -> int:
    """The hash by which NICs choose a queue."""
    bits = int.from_bytes(key, "big")
    length = len(key) * 8
    found = 0
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            found ^= bits >> (length - 32 - i) & 0xFFFFFFFF
    return found


def test_symmetric_rss_is_asked_for(on_nic: Agent, calls: Path) -> None:
    """With the key that the NIC got both directions of a flow have one hash, over IPv4 and IPv6, ports included."""
    done = on_nic.capture(*NULL_PORT, "--count-only", *MINIMAL, "--queues", "2", "--packets", "10")
    assert port_report(done.report)["symmetric_rss"] == "yes"
    (configured,) = said(calls, "rss")
    spread, by_what, key_text = configured.split(" ")
    assert spread == "1" and int(by_what, 16) != 0
    key = bytes.fromhex(key_text)
    rng = random.Random(1)
    hashes = set()
    for address_bytes in (4, 16):
        for _ in range(20):
            source, target = rng.randbytes(address_bytes), rng.randbytes(address_bytes)
            port, other = rng.randbytes(2), rng.randbytes(2)
            there = toeplitz(key, source + target + port + other)
            assert there == toeplitz(key, target + source + other + port)
            hashes.add(there & 0x7F)
    assert len(hashes) > 10, "a hash that is the same for all flows is symmetric, too"


@pytest.mark.parametrize(("host", "queues"), [("no-rss", "2"), ("", "1")])
def test_symmetric_rss_is_not_claimed(
    on_nic: Agent, monkeypatch: pytest.MonkeyPatch, calls: Path, host: str, queues: str
) -> None:
    """Where the driver cannot, and where there is nothing to spread."""
    monkeypatch.setenv("NFVCAP_FAKE_VF", host)
    done = on_nic.capture(*NULL_PORT, "--count-only", *MINIMAL, "--queues", queues, "--packets", "10")
    assert port_report(done.report)["symmetric_rss"] == "no"
    assert said(calls, "rss") == ["0 0 "]


@pytest.mark.parametrize(
    ("link", "mbps"), [("link=100", 100), ("link=10000", 10000), ("link=40000", 40000), ("can=25000", 25000)]
)
@pytest.mark.parametrize("engine", ["mmap", "write"])
def test_a_burst_buffer_given_as_time_follows_the_rate(
    on_nic: Agent, memory_dir: Path, monkeypatch: pytest.MonkeyPatch, link: str, mbps: int, engine: str
) -> None:
    """Rate x time and a quarter more, for record headers; of a link that is not known yet, what it can be at most."""
    monkeypatch.setenv("NFVCAP_FAKE_VF", link)
    sizes = []
    for time_ms in (8, 16):
        done = on_nic.capture(*NULL_PORT, "--write", str(memory_dir / "x.pcap"), "--engine", engine, "--rx-desc", "512",
                              "--huge-pages", "off", "--burst-buffer", f"{time_ms}ms", "--chunk", "256K",
                              "--packets", "10")  # fmt: skip
        sizes.append(port_report(done.report)["burst_buffer_bytes"])
        wanted = max(mbps * 1e6 / 8 * 1.25 * time_ms / 1e3, 4e6)
        assert wanted - (256 << 10) < sizes[-1] <= wanted + 1, (sizes, wanted)
    assert sizes[1] > sizes[0] or mbps == 100


def test_a_burst_buffer_that_cannot_be_is_refused(agent: Agent, tmp_path: Path) -> None:
    done = agent.run("capture", *NULL_PORT, "--write", str(tmp_path / "x.pcap"), "--engine", "write", "--huge-pages",
                     "off", "--burst-buffer", "1G", "--chunk", "64K", "--packets", "1")  # fmt: skip
    assert done.returncode == 2 and "--chunk" in done.stderr and "4095 chunks" in done.stderr
    assert list(tmp_path.iterdir()) == []
