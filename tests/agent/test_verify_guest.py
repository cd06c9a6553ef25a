# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --guest` from the wire to the recount, with a network namespace for a guest."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nfvcap.agent import build
from nfvcap.model.result import Result, Verdict
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.sources.origin import Origin
from tests.agent.crossed import Crossed
from tests.agent.guest_trials import RATE_PPS, nfvcap, rows, trials
from tests.agent.room import Room
from tests.agent.support import Agent

pytestmark = pytest.mark.usefixtures("crossed")


def test_every_frame_of_the_wire_is_in_the_file_in_the_guest(
    agent: Agent, guest: Room, memory_dir: Path, crossed: Crossed
) -> None:
    crossed.with_tshark = True
    with trials(agent, guest, memory_dir, "965") as t:
        proof = t.prove()
        trial = t.run("fixed rate", RATE_PPS, packets=2000)
    assert (proof.sent, proof.lost, proof.verdict) == (100, 0, Verdict.PASS)
    assert rows(trial) == {} and trial.recounted == 2000
    # A source that a busy machine makes late offers less than it should, which is no proof of the rate.
    assert trial.verdict is (Verdict.INCONCLUSIVE if trial.source_limited else Verdict.PASS)
    assert {size.size_bytes: size.recounted for size in trial.sizes} == {64: 600, 576: 200, 1292: 200, 1518: 1000}
    for sizes in crossed.sizes[1:]:  # where Wireshark is installed
        assert sizes == {size.size_bytes: size.recounted for size in trial.sizes}
    assert sum(sample.received for sample in trial.timeline) >= 2000
    assert guest.pids() == [] and list(memory_dir.glob("nfvcap-verify-*")) == []
    assert "DOWN" in guest.run("ip", "-br", "link", "show", guest.interface).upper()  # as it was before


def two_vfs(guest: Room) -> tuple[GuestVf, ...]:
    """Two interfaces above the guest's, which get what is for their addresses."""
    guest.run("ip", "link", "set", guest.interface, "up")
    made = []
    for number, vlan in enumerate([0, 100]):
        vf = replace(guest.vf, address=f"0000:81:10.{number}", mac=f"02:00:00:81:01:0{number}", vlan=vlan,
                     interface=f"vf{number}")  # fmt: skip
        words = f"ip link add link {guest.interface} name {vf.interface} address {vf.mac} type macvlan mode private"
        guest.run(*words.split())
        made.append(vf)
    return tuple(made)


@pytest.mark.parametrize("kind", ["lab", "agent"])
def test_two_vfs_are_measured_together_from_either_source(
    agent: Agent, guest: Room, memory_dir: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file has the frames of both, each a flow of its own. No card takes the tag of the second off here."""
    monkeypatch.setattr(build, "locate", lambda: agent.binary)
    origin = Origin("agent", f"af_packet:{guest.near}") if kind == "agent" else None
    with trials(agent, guest, memory_dir, vfs=two_vfs(guest), origin=origin) as t:
        proof = t.prove()
        trial = t.run("fixed rate", RATE_PPS, packets=2000)
        guest.run("ip", "link", "set", "vf1", "address", "02:00:00:81:01:99")
        half = t.prove()
    assert (proof.sent, proof.lost, proof.verdict) == (200, 0, Verdict.PASS)
    assert rows(trial) == {} and trial.recounted == 2000
    assert {size.size_bytes: size.recounted for size in trial.sizes} == {64: 1000, 68: 1000}
    assert rows(half) == {"before_interface": 100} and "nothing came through VF 2 of 2" in half.reason


def af_xdp_lacks() -> str:
    """Why this kernel has no AF_XDP; "" when it has."""
    try:
        socket.socket(44, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return f"the kernel has no AF_XDP: {error.strerror}"
    return ""


@pytest.mark.skipif(bool(af_xdp_lacks()), reason=af_xdp_lacks() or "it has")
def test_every_frame_is_captured_by_af_xdp_or_has_its_row(agent: Agent, guest: Room, memory_dir: Path) -> None:
    """What the port drops, the interface has not counted: also where its frames go past the rest of the kernel."""
    with trials(agent, guest, memory_dir, engine="af_xdp") as t:
        assert t.path.engine == "AF_XDP" and t.path.name.endswith(" AF_XDP")
        for _ in range(3):  # a busy machine may lose some, and then says where
            whole = t.run("fixed rate", RATE_PPS, packets=1000)
            if not rows(whole):
                break
        guest.loses = 50
        lossy = t.run("fixed rate", RATE_PPS, packets=1000)
    assert (whole.lost, whole.recounted, whole.waterfall.residual) == (0, 1000, 0)
    assert rows(lossy)["before_interface"] == guest.dropped == lossy.lost - rows(lossy).get("nic_missed", 0)
    assert guest.dropped == 1000 // 50


def test_each_loss_is_in_its_row(agent: Agent, guest: Room, memory_dir: Path) -> None:
    """Left out at the source, dropped by the port, not wanted by the agent: three rows, to the packet."""
    with trials(agent, guest, memory_dir, omit_every=100, options=("--filter", "ether[51] < 224")) as t:
        guest.loses = 50
        trial = t.run("fixed rate", RATE_PPS, packets=2000)
    sent = [number for number in range(2000) if (number + 1) % 100]
    through = [number for place, number in enumerate(sent, 1) if place % 50]
    unwanted = sum(number % 256 >= 224 for number in through)
    assert rows(trial) == {"omitted": 20, "before_interface": 1980 // 50, "filtered": unwanted}
    assert trial.missing[0] == (0, 49, 49) and trial.missing_ranges > len(trial.missing) == 8
    assert guest.dropped == 1980 // 50 and trial.recounted == len(through) - unwanted
    assert trial.verdict is Verdict.FAIL


STRANGERS = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for _ in range(30):
    s.send(bytes.fromhex("33330000000102000000009986dd") + bytes(50))
"""


def test_frames_of_others_are_no_loss_and_hide_none(agent: Agent, guest: Room, memory_dir: Path) -> None:
    """What the guest itself sends is in the file as well, and its interface does not count that as received."""

    def strangers() -> None:
        deadline = time.monotonic() + 60
        while guest.forwarded < 100:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        guest.run(sys.executable, "-c", STRANGERS, guest.interface)
        subprocess.run([sys.executable, "-c", STRANGERS, guest.near], check=True)

    with trials(agent, guest, memory_dir) as t:
        guest.loses = 50
        sender = threading.Thread(target=strangers)
        sender.start()
        trial = t.run("fixed rate", RATE_PPS, packets=2000)
        sender.join()
    assert rows(trial) == {"before_interface": 2000 // 50} and trial.lost == 40
    assert trial.foreign >= 30


def test_a_dead_path_ends_with_what_the_guest_says(agent: Agent, guest: Room, memory_dir: Path) -> None:
    with trials(agent, guest, memory_dir) as t:
        guest.loses = 1
        proof = t.prove()
    assert proof.recounted == 0 and rows(proof) == {"before_interface": 100}
    assert "nothing arrived" in proof.reason and f"{guest.interface} is up, carrier 1" in proof.reason


def test_what_a_killed_verification_left_is_removed_by_the_next(agent: Agent, guest: Room, memory_dir: Path) -> None:
    with trials(agent, guest, memory_dir) as t, t.path.point.capturing():
        (directory,) = memory_dir.glob("nfvcap-verify-*")
        assert len(guest.pids()) >= 1 and (directory / "pid").exists()
        t.path.point.sweep()  # type: ignore[attr-defined]
        assert guest.pids() == [] and not directory.exists()


def test_the_command_measures_into_a_guest(agent: Agent, guest: Room, tmp_path: Path) -> None:
    done = nfvcap(agent, guest, tmp_path, "--rate", "500pps", "--format", "json", "--html", str(tmp_path / "r.html"))
    out, err = done.communicate(timeout=200)
    assert done.returncode in {0, 5}, err  # 5: a busy machine did not let the source keep its pace
    (host,) = Result.from_json(out).hosts
    (m,) = host.measurements
    assert (m.attachment, m.engine, m.pf_driver, m.vfs, m.label) == ("virtual function", "kernel", "kernel", 1,
                                                                     "functional")  # fmt: skip
    assert sum(not trial.superseded for trial in m.trials) == 5
    assert all(trial.lost == trial.waterfall.residual == 0 for trial in m.trials)
    verdicts = {check.id: str(check.verdict) for check in host.checks}
    assert verdicts["NFV-PKT-002"] == verdicts["NFV-PKT-012"] == "PASS"
    assert host.environment["source"].startswith("lab; kernel ")
    assert "--burst-buffer 16M" in host.environment["capture options vm1"]
    assert host.environment["nodes"] and "kernel" in host.environment["guest vm1"] and host.environment["dpdk"]
    assert "vm1 VF" in (tmp_path / "r.html").read_text() and guest.pids() == []


def test_the_command_measures_two_vfs_together_from_a_port(agent: Agent, guest: Room, tmp_path: Path) -> None:
    words = ("--rate", "500pps", "--trials", "1", "--from", f"agent:{guest.near}", "--format", "json", "--no-keep")
    out, err = nfvcap(agent, guest, tmp_path, *words, vfs=two_vfs(guest)).communicate(timeout=200)
    (host,) = Result.from_json(out).hosts
    (m,) = host.measurements
    assert (m.vfs, m.label, m.partial) == (2, "performance", ""), err
    assert all(trial.lost == trial.waterfall.residual == 0 and trial.sent for trial in m.trials)
    assert {check.id: str(check.verdict) for check in host.checks}["NFV-PKT-002"] == "PASS" and guest.pids() == []


def test_a_host_alone_is_followed_from_begin_to_end(agent: Agent, guest: Room, tmp_path: Path) -> None:
    """Its guests are found, and programs are told in the order in which it goes on."""
    words = ("--rate", "500pps", "--trials", "1", "--format", "jsonl", "--no-keep")
    done = nfvcap(agent, guest, tmp_path, *words, whom=())
    out, err = done.communicate(timeout=200)
    assert done.returncode in {0, 5}, err
    events = [json.loads(line) for line in out.splitlines()]
    kinds = list(dict.fromkeys(event["event"] for event in events))
    assert kinds == ["begin", "measurement-begin", "calibration", "trial", "measurement-end", "check", "host", "end"]
    assert all(event["measurement"].startswith("vm1 VF") for event in events if event["event"] == "trial")
    assert events[-1]["exit_code"] == done.returncode


def test_ctrl_c_stops_the_source_and_leaves_nothing_in_the_guest(agent: Agent, guest: Room, tmp_path: Path) -> None:
    process = nfvcap(agent, guest, tmp_path, "--rate", "500pps", "--profile", "soak", "--format", "json", "--no-keep")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("warm-up"):
            break
    deadline = time.monotonic() + 60
    before = guest.forwarded
    while guest.forwarded < before + 300:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (m,) = Result.from_json(out).hosts[0].measurements
    assert m.partial == "interrupted" and [trial.phase for trial in m.trials] == ["path proof", "warm-up"]
    sent = guest.forwarded
    time.sleep(0.3)
    assert guest.forwarded == sent and guest.pids() == [] and list(tmp_path.glob("nfvcap-verify-*")) == []


def test_a_guest_without_a_vf_is_a_check_that_says_so(agent: Agent, guest: Room, tmp_path: Path) -> None:
    done = nfvcap(agent, guest, tmp_path, "--vf", "0000:99:00.0", "--format", "json", "--no-keep")
    out, err = done.communicate(timeout=100)
    checks = {check.id: check for check in Result.from_json(out).hosts[0].checks}
    assert done.returncode == 1 and "NFV-PKT-209" in checks.pop("NFV-PKT-002").reason, err
    # Under the names that they have when there is one.
    assert {check.subject for check in checks.values() if "loss ratio" not in check.subject} == {"vm1 VF 0000:99:00.0"}
    assert {check.verdict for check in checks.values()} == {Verdict.SKIP} and "NFV-PKT-012" in checks


@pytest.mark.soak  # a minute
def test_the_matrix_measures_what_the_guest_has(agent: Agent, guest: Room, tmp_path: Path) -> None:
    done = nfvcap(agent, guest, tmp_path, "--matrix", "--rate", "200pps", "--format", "json", "--no-keep", "--budget",
                  "5m")  # fmt: skip
    out, err = done.communicate(timeout=400)
    (host,) = Result.from_json(out).hosts
    assert done.returncode in {0, 5}, err
    measured = {(m.engine, m.traffic.name) for m in host.measurements}
    assert measured >= {("kernel", "64"), ("kernel", "965")} and all(m.name.endswith(" B") for m in host.measurements)
    skipped = {check.subject: check.reason for check in host.checks if check.id == "NFV-PKT-020"}
    assert "vfio-pci" in skipped["virtual function, DPDK, PF by kernel, 1 VF, 64"]
    assert "virtual function, kernel, PF by kernel, 1 VF, 64" not in skipped and guest.pids() == []
