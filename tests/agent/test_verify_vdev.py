# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify localhost --engine vdev` with the real agent: a loss that is known is the loss that is reported.

At rates that a busy machine holds; what it cannot hold is lost in the ring and has to be in that row.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nfvcap.agent.client import Agent as Client
from nfvcap.model.measurement import Trial
from nfvcap.model.result import Result, Verdict
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.engines.vdev import vdev_path
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import Run, Wish
from nfvcap.verify.packets.traffic import traffic
from nfvcap.verify.packets.trials import Trials
from tests.agent.captures import Record, numbered, pcap
from tests.agent.crossed import Crossed, has_tools
from tests.agent.support import Agent

pytestmark = pytest.mark.usefixtures("crossed")

PROFILE = replace(PROFILES["quick"], drain_s=0.3, settle_s=0.0, retries=0)
RATE_PPS = 20_000
DEEP = 14
"""A ring that holds 0.8 s of that: what else runs on the machine loses nothing."""


@contextmanager
def trials(agent: Agent, directory: Path, words: str = "64", **options: Any) -> Iterator[Trials]:
    with vdev_path(Client(agent.binary), directory, 10_000, **options) as path:
        yield Trials(path, traffic(words), PROFILE, time.monotonic() + 120)


def rows(trial: Trial) -> dict[str, int]:
    """Rows of the waterfall in which something was lost; they explain everything, or the test is over."""
    assert trial.waterfall.residual == 0, trial.waterfall
    assert trial.lost == sum(term.packets or 0 for term in trial.waterfall.terms)
    return {term.key: term.packets for term in trial.waterfall.terms if term.packets}


def test_the_path_is_proven_and_a_mix_comes_through_whole(agent: Agent, memory_dir: Path) -> None:
    with trials(agent, memory_dir, "965") as t:
        proof = t.prove()
        trial = t.run("fixed rate", 5000, packets=5000)
    assert proof.lost == 0 and proof.sent == 100 and proof.verdict is Verdict.PASS
    assert rows(trial).keys() <= {"refused"}
    if not trial.lost:
        assert {size.size_bytes: size.recounted for size in trial.sizes} == {64: 1500, 576: 500, 1292: 500, 1518: 2500}
        assert all(size.sent == size.recounted for size in trial.sizes)
    assert sum(sample.received for sample in trial.timeline) == trial.recounted


def injected(t: Trials, packets: int, wanted: dict[str, int] | None = None) -> tuple[Trial, dict[str, int]]:
    """A trial whose only losses are those injected. On a busy machine the ring may have refused some as well, which is
    no fault of the accounts: then once more, and in the end those have to be none."""
    for _ in range(5):
        trial = t.run("fixed rate", RATE_PPS, packets=packets)
        found = rows(trial)
        if found == wanted or (wanted is None and "refused" not in found):
            break
    return trial, found


def test_left_out_at_the_source(agent: Agent, memory_dir: Path) -> None:
    with trials(agent, memory_dir, omit_every=1000, ring_bits=DEEP) as t:
        trial, found = injected(t, 20_000)
    assert found == {"omitted": 20} and trial.recounted == 19_980 and trial.verdict is Verdict.FAIL


def test_left_out_at_the_agent(agent: Agent, memory_dir: Path) -> None:
    """32 of 256 frames by their number, whose lowest byte is the 52nd of the frame: 1984 of the first 16000."""
    with trials(agent, memory_dir, capture_options=("--filter", "ether[51] < 224"), ring_bits=DEEP) as t:
        trial, found = injected(t, 16_000)
    assert found == {"filtered": 1984} and trial.recounted == 14_016 and trial.verdict is Verdict.FAIL


def test_left_out_at_both_ends_is_told_apart(agent: Agent, memory_dir: Path) -> None:
    """Each 64th number is left out: of those, 63 and 127 of each 256 are ones that the filter would have taken."""
    with trials(agent, memory_dir, omit_every=64, capture_options=("--filter", "ether[51] < 224"), ring_bits=DEEP) as t:
        trial, found = injected(t, 16_000)
    omitted = set(range(63, 16_000, 64))
    filtered = {number for number in range(16_000) if number % 256 >= 224} - omitted
    assert found == {"omitted": len(omitted), "filtered": len(filtered)} == {"omitted": 250, "filtered": 1922}
    assert trial.recounted == 16_000 - 250 - 1922


def test_a_full_disk(agent: Agent, small_tmpfs: Path) -> None:
    with trials(agent, small_tmpfs, "1518", ring_bits=DEEP) as t:
        t._room = lambda packets: None  # type: ignore[method-assign]  # it would not have let us
        trial, found = injected(t, 60_000)
    # What the agent says that it could not write is what somebody else does not find in the file.
    assert found == {"lost_full": 60_000 - trial.recounted} and trial.verdict is Verdict.FAIL
    fits = (64 << 20) // (1514 + 16)
    assert fits - (4 << 20) // 1530 <= trial.recounted <= fits


def test_a_starved_ring(agent: Agent, memory_dir: Path) -> None:
    """A capture that sleeps while all frames come: the ring takes as many as it holds, every other one is refused."""
    sleepy = ("--idle-sleep", "1500ms")
    wanted = {"refused": 1000 - 256}
    with trials(agent, memory_dir, ring_bits=8, capture_options=sleepy) as t:
        t.path = replace(t.path, drain_s=2.0)
        trial, found = injected(t, 1000, wanted)
    assert found == wanted and trial.recounted == 256 and trial.verdict is Verdict.FAIL


def test_a_limit_is_found_and_what_is_lost_above_it_is_accounted_for(agent: Agent, memory_dir: Path) -> None:
    """A ring of 256 frames that is emptied each 20 ms and not sooner holds 12.8 kpps, and nothing above."""
    sleepy = ("--idle-sleep", "20ms")
    with vdev_path(Client(agent.binary), memory_dir, 50, ring_bits=8, capture_options=sleepy) as path:
        m = Run(path, Wish(PROFILE, traffic("64"), "search", 200.0), None, "f").measure()
    assert not m.partial
    load = [trial for trial in m.trials if trial.phase == "search"]
    for trial in load:
        assert rows(trial).keys() <= {"refused"}
    above = [trial for trial in load if trial.intended_pps > 14_000]
    assert above and all(rows(trial) == {"refused": trial.lost} and trial.lost > 0 for trial in above)
    lower, upper = m.goals[0].lower_pps, m.goals[0].upper_pps
    assert lower is not None and upper is not None and 50 < lower < 13_500 and upper < 14_000
    assert all(trial.lost == 0 for trial in load if trial.intended_pps <= lower)
    assert {check.id: check.verdict for check in checks(m, "f")}["NFV-PKT-012"] is Verdict.PASS


def test_a_capture_that_stands_still(agent: Agent, memory_dir: Path) -> None:
    """For 0.4 s, with a ring of 256 frames."""
    with trials(agent, memory_dir, ring_bits=8) as t:
        stopper = threading.Thread(target=stop_capture_among_frames, args=(0.4,))
        stopper.start()
        trial = t.run("fixed rate", RATE_PPS, packets=3 * RATE_PPS)
        stopper.join()
    # How many the stall costs depends on when it falls into the trial, and on how punctual the source is.
    assert rows(trial).keys() == {"refused"} and trial.lost > 0


def stop_capture_among_frames(for_s: float) -> None:
    """A second after the generator has been started, which takes part of that to begin, and then three to send."""
    deadline = time.monotonic() + 60
    while not own(b"generate"):
        assert time.monotonic() < deadline, "nothing is sent"
        time.sleep(0.05)
    time.sleep(1)
    captures = own(b"capture")
    for pid in captures:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(for_s)
    for pid in captures:
        os.kill(pid, signal.SIGCONT)


def own(word: bytes) -> list[int]:
    """Programs of this process that were started with a word."""
    found = []
    for pid in children(os.getpid()):
        with suppress(OSError):  # it has ended meanwhile
            found += [pid] if word in Path(f"/proc/{pid}/cmdline").read_bytes() else []
    return found


def children(pid: int) -> list[int]:
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def nfvcap(agent: Agent, state: Path, *words: str, **popen: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "NFVCAP_AGENT": str(agent.binary), "XDG_STATE_HOME": str(state), "NO_COLOR": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.agent.crossed", *words], env=environment, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen},
    )  # fmt: skip


@pytest.mark.parametrize(
    "frames", [200_000, pytest.param(100_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_many_frames_are_recounted_to_the_last(agent: Agent, tmp_path: Path, frames: int) -> None:
    """On a disk; whatever the ring could not take at full speed has its row."""
    with trials(agent, tmp_path) as t:
        t.deadline = time.monotonic() + 3000
        if frames * 80 > t.path.point.room_bytes():
            pytest.skip(f"there is no room for {frames} frames")
        trial = t.run("fixed rate", 1_000_000, packets=frames)
    assert rows(trial).keys() <= {"refused", "lost_buffer"} and trial.sent == frames
    assert trial.recounted == trial.sizes[0].recounted == frames - trial.lost > frames // 2


def test_the_command_measures_reports_and_keeps(agent: Agent, tmp_path: Path) -> None:
    files = {form: tmp_path / f"r.{form}" for form in ("junit", "tap", "html", "prometheus")}
    words = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    done = nfvcap(
        agent, tmp_path, "verify", "localhost", "--engine", "vdev", "--rate", "2kpps", "--budget", "3m",
        "--format", "json", *words,
    )  # fmt: skip
    out, err = done.communicate(timeout=200)
    result = Result.from_json(out)
    (host,) = result.hosts
    (measurement,) = host.measurements
    assert done.returncode == result.exit_code and done.returncode in {0, 4, 5}, err
    assert host.fingerprint and host.environment["agent"] and measurement.calibration is not None
    assert [check.id for check in host.checks][:2] == ["NFV-PKT-001", "NFV-PKT-002"]
    assert all(trial.waterfall.residual == 0 for trial in measurement.trials)
    assert f"NFV-PKT-010 {measurement.name}" in files["junit"].read_text()
    assert (
        "NFV-PKT-012" in files["tap"].read_text() and "nfvcap_verify_lost_packets{" in files["prometheus"].read_text()
    )
    assert "<script" not in files["html"].read_text()
    assert (tmp_path / "nfvcap" / "results.sqlite").exists()


def test_the_matrix_of_this_machine(agent: Agent, tmp_path: Path) -> None:
    done = nfvcap(agent, tmp_path, "verify", "localhost", "--matrix", "--rate", "2kpps", "--format", "json",
                  "--html", str(tmp_path / "m.html"), "--no-keep")  # fmt: skip
    out, err = done.communicate(timeout=300)
    (host,) = Result.from_json(out).hosts
    assert done.returncode in {0, 4, 5}, err
    assert [m.name for m in host.measurements] == ["vdev 64 B", "vdev 965 B"]
    assert {m.traffic.name for m in host.measurements} == {"64", "965"}
    skipped = {check.subject: check.reason for check in host.checks if check.id == "NFV-PKT-020"}
    assert all(check.verdict is Verdict.SKIP for check in host.checks if check.id == "NFV-PKT-020")
    assert "nfvcap does not drive HPCAP" in skipped["bare metal, HPCAP, 64"] and len(skipped) > 30
    page = (tmp_path / "m.html").read_text()
    assert "not measured: nfvcap does not drive HPCAP" in page and "study: 97.9 %" in page


def test_ctrl_c_stops_the_source_first_and_keeps_a_partial_report(agent: Agent, tmp_path: Path) -> None:
    process = nfvcap(agent, tmp_path, "verify", "localhost", "--engine", "vdev", "--rate", "2kpps", "--profile", "soak",
                     "--budget", "10m", "--format", "json", "--no-keep")  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("warm-up"):
            break
    deadline = time.monotonic() + 60
    while len(below := children(process.pid)) < 2:  # a generator and a capture
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (measurement,) = Result.from_json(out).hosts[0].measurements
    assert measurement.partial == "interrupted" and [t.phase for t in measurement.trials] == ["path proof", "warm-up"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    reports = list((tmp_path / "nfvcap" / "runs").glob("*/result.json"))
    assert json.loads(reports[0].read_text())["hosts"][0]["measurements"][0]["partial"] == "interrupted"


@contextmanager
def soaking(
    agent: Agent, state: Path, *words: str, begun: Callable[[], bool] = lambda: True, **popen: Any
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The command in the middle of a trial, once it has begun, with its generator and its capture."""
    process = nfvcap(agent, state, "verify", "localhost", "--engine", "vdev", "--rate", "2kpps", "--profile", "soak",
                     "--budget", "10m", "--no-keep", "--directory", str(state), *words, **popen)  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not begun() or len(below := children(process.pid)) < 2 or not any(state.glob("*/captured.pcap")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        yield process, below
    finally:
        process.kill()
        process.wait()


def gone(pids: list[int], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"{left} go on"
        time.sleep(0.05)


def test_nothing_goes_on_when_the_command_is_killed_and_the_next_one_tidies_up(agent: Agent, tmp_path: Path) -> None:
    with soaking(agent, tmp_path, stderr=subprocess.DEVNULL) as (process, below):
        process.kill()
        process.wait()
        gone(below)
    (left,) = tmp_path.glob("nfvcap-verify-*")
    with trials(agent, tmp_path) as t, t.path.point.capturing():
        assert not left.exists()


def test_a_closed_terminal_is_ctrl_c_and_the_partial_report_is_kept(agent: Agent, tmp_path: Path) -> None:
    """What the cut of the user's own ssh connection to this machine does."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    shown = bytearray()

    def warm() -> bool:
        with contextlib.suppress(BlockingIOError):
            shown.extend(os.read(ours, 4096))
        return b" lost " in shown.partition(b"warm-up")[2]

    with soaking(
        agent, tmp_path, "--html", str(tmp_path / "r.html"), begun=warm, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
    ) as (process, below):  # fmt: skip
        os.close(theirs)
        os.close(ours)
        assert process.wait(60) == 130
        gone(below, 10)  # one that was being started at that moment ends when it sees that nobody holds it
    (kept,) = (tmp_path / "nfvcap" / "runs").glob("*/result.json")
    (measurement,) = Result.from_json(kept.read_text()).hosts[0].measurements
    assert measurement.partial == "interrupted" and [t.phase for t in measurement.trials] == ["path proof", "warm-up"]
    assert "partial" in (tmp_path / "r.html").read_text() and not list(tmp_path.glob("nfvcap-verify-*"))


def test_a_file_is_replayed_and_recounted_frame_by_frame(agent: Agent, memory_dir: Path) -> None:
    """Numbered frames of the file get new numbers, others are counted."""
    path = memory_dir / "in.pcap"
    records = numbered(range(50), flow=3, size=200)
    records += [Record(records[-1].ns + n, b"\x02" * 12 + b"\x88\xb5" + bytes(86), 100) for n in range(1, 11)]
    path.write_bytes(pcap(records))
    with trials(agent, memory_dir, str(path)) as t:
        proof = t.prove()
        trial = t.run("fixed rate", RATE_PPS, packets=6000)
    assert proof.lost == 0 and proof.sent == 100
    assert rows(trial).keys() <= {"refused"} and trial.foreign == 0 and trial.sent == 6000
    assert {size.size_bytes for size in trial.sizes} == {104, 204}


@pytest.mark.skipif(not has_tools(), reason="Wireshark is not installed")
def test_other_tools_count_the_same(agent: Agent, memory_dir: Path, crossed: Crossed) -> None:
    crossed.with_tshark = True
    with trials(agent, memory_dir, "imix") as t:
        trial = t.run("fixed rate", RATE_PPS, packets=12_000)
    assert crossed.packets == [trial.recounted]
    assert crossed.sizes == [Counter({size.size_bytes: size.recounted for size in trial.sizes})]


@pytest.mark.skipif(not has_tools(), reason="Wireshark is not installed")
def test_a_recount_that_differs_from_other_tools_is_noticed(
    agent: Agent, memory_dir: Path, crossed: Crossed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trials(agent, memory_dir) as t:
        monkeypatch.setattr("tests.agent.crossed.by_capinfos", lambda files: 1)
        with pytest.raises(AssertionError, match="capinfos counts otherwise"):
            t.run("fixed rate", RATE_PPS, packets=100)
    assert crossed.packets == [1]
