# SPDX-License-Identifier: Apache-2.0
"""`--engine libpcap`: tcpdump captures in the guest, its file is recounted, and its counters only attribute."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from nfvcap.door.command import CommandDoor
from nfvcap.errors import NfvcapError
from nfvcap.model.result import Result, Verdict
from nfvcap.verify.packets.points.tcpdump import LIBPCAP, PF_RING, Counts, TcpdumpAway, counted, evenly, look, refused
from tests.agent.guest_trials import RATE_PPS, nfvcap, rows, trials
from tests.agent.room import Room
from tests.agent.support import Agent

pytestmark = pytest.mark.usefixtures("crossed")

HERE = CommandDoor("this machine")
# As tcpdump 4.99.3 of Debian 12 wrote it: twice on SIGUSR1, then at its end.
SAID = """\
tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes
at 100.25
tcpdump: 0 packets captured, 1 packet received by filter, 0 packets dropped by kernel
at 100.50
tcpdump: 1 packet captured, 12 packets received by filter, 2 packets dropped by kernel
10 packets captured
12 packets received by filter
2 packets dropped by kernel
"""


def test_its_counters_are_read_whenever_it_tells_them() -> None:
    assert counted(SAID) == [Counts(0, 1, 0, 100.25), Counts(1, 12, 2, 100.5), Counts(10, 12, 2)]
    assert counted(SAID + "3 packets dropped by interface\n")[-1] == Counts(10, 12, 2)
    assert counted(SAID[:-1])[-1] == Counts(1, 12, 2, 100.5)  # a line that is not whole yet


def test_a_silence_stays_one_in_the_timeline_and_its_usual_distance_is_even() -> None:
    told = [Counts(100, 100, 0, 10.3), Counts(200, 200, 0, 10.6), Counts(300, 900, 600, 13.6), Counts(400, 1000, 600)]
    points = evenly(told, 10.0, 14.0)
    assert len(points) == 16 and points[0] == (83, 83, 0) and points[1] == (167, 167, 0)
    assert points[2:14] == [(200, 200, 0)] * 12 and points[14][2] == 600 and points[15] == (400, 400, 600)


@pytest.mark.parametrize("words", [(), ("-B", "65536", "-p"), ("-j", "adapter", "--immediate-mode")])
def test_what_it_may_be_told(words: tuple[str, ...]) -> None:
    assert refused(words) == ""
    for word in ("-C", "-w", "-s", "tcp"):
        assert refused((*words, word)) == word


def test_every_frame_is_in_its_file_and_one_that_the_port_drops_has_its_row(
    agent: Agent, guest: Room, memory_dir: Path
) -> None:
    with trials(agent, guest, memory_dir, "965", engine="libpcap") as t:
        assert t.path.engine == LIBPCAP and t.path.name.endswith(" libpcap")
        proof = t.prove()
        whole = t.run("fixed rate", RATE_PPS, packets=2000)
        guest.loses = 50
        lossy = t.run("fixed rate", RATE_PPS, packets=2000)
    assert (proof.sent, proof.lost, proof.verdict) == (100, 0, Verdict.PASS)
    assert rows(whole) == {} and whole.recounted == 2000 == sum(sample.received for sample in whole.timeline)
    assert {size.size_bytes: size.recounted for size in whole.sizes} == {64: 600, 576: 200, 1292: 200, 1518: 1000}
    assert rows(lossy) == {"before_interface": 2000 // 50} and lossy.verdict is Verdict.FAIL
    assert guest.pids() == [] and list(memory_dir.glob("nfvcap-verify-*")) == []


def test_what_its_ring_has_no_room_for_has_its_row(agent: Agent, guest: Room, memory_dir: Path) -> None:
    def stands_still() -> None:
        (directory,) = memory_dir.glob("nfvcap-verify-*")
        pid = int((directory / "pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 60
        while guest.forwarded < 2500 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(pid, signal.SIGCONT)

    with trials(agent, guest, memory_dir, "1518", engine="libpcap", options=("-B", "512")) as t:
        sleeper = threading.Timer(1.5, stands_still)
        sleeper.start()
        trial = t.run("fixed rate", RATE_PPS, packets=3000)
        sleeper.join()
    assert list(rows(trial)) == ["nic_missed"] and trial.lost > 500


def test_one_that_is_killed_ends_the_trial_with_its_name(agent: Agent, guest: Room, memory_dir: Path) -> None:
    with trials(agent, guest, memory_dir, engine="libpcap") as t, t.path.point.capturing() as capturing:
        (directory,) = memory_dir.glob("nfvcap-verify-*")
        capturing.check()
        os.kill(int((directory / "pid").read_text()), signal.SIGKILL)
        while not (directory / "status").exists():
            time.sleep(0.05)
        with pytest.raises(NfvcapError, match="does not go on"):
            capturing.check()
        with pytest.raises(NfvcapError, match="did not end well"):
            capturing.finish()
    assert guest.pids() == []


def test_one_that_nobody_ends_ends_by_itself_and_says_so(guest: Room, memory_dir: Path) -> None:
    guest.run("ip", "link", "set", guest.interface, "up")
    away = TcpdumpAway(guest.door, guest.interface, 1.0, (), str(memory_dir / "here"))
    away.start()
    deadline = time.monotonic() + 20
    while away.alive():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "ended by its limit" in away.stop().ended_early
    away.remove()
    assert guest.pids() == [] and not (memory_dir / "here").exists()


def test_what_a_killed_verification_left_is_removed_by_the_next(agent: Agent, guest: Room, memory_dir: Path) -> None:
    with trials(agent, guest, memory_dir, engine="libpcap") as t, t.path.point.capturing():
        (directory,) = memory_dir.glob("nfvcap-verify-*")
        t.path.point.sweep()  # type: ignore[attr-defined]
        assert guest.pids() == [] and not directory.exists()


def test_a_clock_that_was_set_is_noticed(guest: Room, memory_dir: Path) -> None:
    """The clock itself is everybody's: here it had another distance to the time since the boot when it began."""
    guest.run("ip", "link", "set", guest.interface, "up")
    for shift_s in (0, 3600):
        away = TcpdumpAway(guest.door, guest.interface, 60.0, (), str(memory_dir / "here"))
        away.start()
        kept = memory_dir / "here" / "clock"
        up_s, clock_s = kept.read_text().split()
        kept.write_text(f"{up_s} {int(clock_s) + shift_s}\n")
        assert away.stop().clock_steps == bool(shift_s)
        away.remove()


def test_a_disk_that_is_full_is_told(agent: Agent, guest: Room, small_tmpfs: Path) -> None:
    """tcpdump itself goes on, counts on and ends well: the trial is an error nevertheless, and nothing stays."""
    with trials(agent, guest, small_tmpfs, "1518", engine="libpcap") as t:
        room = t.path.point.room_bytes()
        (small_tmpfs / "filler").write_bytes(bytes(room - 200_000))
        t._room = lambda packets: None  # type: ignore[method-assign]  # which would have refused the trial
        with pytest.raises(NfvcapError) as caught:
            t.run("fixed rate", RATE_PPS, packets=2000)
    assert "is full" in str(caught.value) and guest.pids() == []
    assert list(small_tmpfs.glob("nfvcap-verify-*")) == []


def test_an_interface_that_it_refuses_is_told_in_its_words(memory_dir: Path) -> None:
    away = TcpdumpAway(HERE, "nfvcap-none", 5.0, (), str(memory_dir / "here"))
    with pytest.raises(NfvcapError, match="nfvcap-none") as refused:
        away.start()
    assert refused.value.code == "NFV-PKT-219"
    away.remove()
    assert not (memory_dir / "here").exists()


def programs(directory: Path, tcpdump: str = "") -> CommandDoor:
    """This machine with other programs."""
    directory.mkdir()
    for name in ("sh", "head", "sleep", "ls", "grep"):
        found = next(Path(place, name) for place in ("/bin", "/usr/bin") if Path(place, name).exists())
        (directory / name).symlink_to(found)
    if tcpdump:
        (directory / "tcpdump").write_text(f"#!/bin/sh\n{tcpdump}\n")
        (directory / "tcpdump").chmod(stat.S_IRWXU)
    return CommandDoor("guest", ("env", f"PATH={directory}"))


def test_without_tcpdump_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NfvcapError, match="tcpdump is not installed there") as refused:
        look(programs(tmp_path / "bin"), "lo")
    assert (refused.value.code, bool(refused.value.fix)) == ("NFV-PKT-219", True)


@pytest.mark.parametrize(("opens", "engine"), [(": >{proc}/$$-lo.1", PF_RING), (":", LIBPCAP), ("exit 1", LIBPCAP)])
def test_pf_ring_is_known_by_the_socket_that_tcpdump_has_of_it(tmp_path: Path, opens: str, engine: str) -> None:
    """PF_RING's module is not at hand: a directory stands in for /proc/net/pf_ring, a script for a tcpdump with its
    libpcap."""
    proc = tmp_path / "pf_ring"
    proc.mkdir()
    (proc / "info").touch()
    says = '[ "$1" = --version ] && { echo tcpdump version 4.99; echo libpcap version 1.10; exit; }'
    door = programs(tmp_path / "bin", f"{says}\n{opens.format(proc=proc)}\nexec sleep 10")
    there = look(door, "lo", str(proc))
    assert (there.engine, there.versions) == (engine, "tcpdump version 4.99; libpcap version 1.10")


def test_the_command_says_which_tcpdump_it_was(agent: Agent, guest: Room, tmp_path: Path) -> None:
    words = ("--engine", "libpcap", "--rate", "300pps", "--trials", "1", "--format", "json", "--no-keep")
    out, err = nfvcap(agent, guest, tmp_path, *words).communicate(timeout=200)
    (host,) = Result.from_json(out).hosts
    (m,) = host.measurements
    assert (m.engine, m.partial) == ("libpcap", ""), err
    assert all(trial.lost == trial.waterfall.residual == 0 for trial in m.trials)
    assert "libpcap version" in host.environment["guest vm1"] and guest.pids() == []
