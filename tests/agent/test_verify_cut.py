# SPDX-License-Identifier: Apache-2.0
"""The way into the guest is cut, the guest is killed, the agent dies there: always in the middle of a trial.

The source stops, what was measured before is kept and says that it is partial, and nothing goes on anywhere.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nfvcap.agent.deploy import deploy
from nfvcap.door.command import CommandDoor
from nfvcap.model.measurement import Measurement, Phase
from nfvcap.model.result import Result, Verdict
from nfvcap.verify.packets import trials
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.engines import guest as engine
from nfvcap.verify.packets.engines.guest import Place, guest_path
from nfvcap.verify.packets.points.guest import sweep
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import Follow, Run, Wish
from nfvcap.verify.packets.sources.wire import wire_source
from nfvcap.verify.packets.traffic import traffic
from tests.agent.guest_trials import nfvcap
from tests.agent.room import Room, room
from tests.agent.support import Agent

# A trial of a minute, of which the test sees the beginning: whoever goes on to its end is found out.
SOAK = replace(PROFILES["soak"], warm_up_s=0.2, drain_s=0.3)
RATE_PPS = 500
# As ssh: the far end joins the words for a shell, and 255 is the way's own failure.
_WAY = '[ -e "$1" ] && { echo "No route to host" >&2; exit 255; }; exec ip netns exec "$2" sh -c "$3"'


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Room]:
    with room(tmp_path) as made:
        yield made


def kill(guest: Room) -> None:
    for pid in guest.pids():
        os.kill(pid, signal.SIGKILL)


@contextmanager
def in_the_middle(guest: Room, phase: Phase, *deeds: object) -> Iterator[Follow]:
    """Does it when some hundred frames of the first trial of that phase have been sent."""
    with ExitStack() as stack:

        def later(before: int) -> None:
            while guest.forwarded < before + 200:
                time.sleep(0.02)
            for deed in deeds:
                deed()  # type: ignore[operator]

        def begin(begun: Phase, rate_pps: int, packets: int) -> None:
            if begun == phase:
                thread = threading.Thread(target=later, args=(guest.forwarded,), daemon=True)
                stack.callback(thread.join)
                thread.start()

        yield Follow(begin)


@pytest.mark.parametrize(
    ("what", "words"),
    [("cut", "No route to host"), ("killed", "No route to host"), ("agent", "the capture on guest x does not go on")],
)
def test_what_was_measured_is_kept_and_nothing_goes_on(
    agent: Agent, guest: Room, memory_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    monkeypatch.setattr(trials, "_ASK_S", 0.5)
    monkeypatch.setattr(engine, "_SLACK_S", 0.0)
    cut = tmp_path / "cut"
    door = CommandDoor("guest x", ("sh", "-c", _WAY, "sh", str(cut), guest.name), shell=True)
    deeds = {"cut": [cut.touch], "killed": [cut.touch, lambda: kill(guest)], "agent": [lambda: kill(guest)]}[what]
    place = Place(door, deploy(door, agent.binary, str(memory_dir / "bin" / "nfvcap-agent")), str(memory_dir),
                  ("--burst-buffer", "16M"))  # fmt: skip
    # The capture's own limit follows from the profile of the path: 12 s here.
    short = replace(SOAK, trial_s=6.0)
    with (
        wire_source(guest.wire(), "wire", [guest.vf.layout]) as source,
        guest_path("x", [guest.vf], place, source, short, engine="kernel", label="functional") as path,
        in_the_middle(guest, "soak", *deeds) as follow,
    ):
        begun = time.monotonic()
        m = Run(path, Wish(SOAK, traffic("64"), str(RATE_PPS), 600.0), None, "f", follow).measure()
        assert time.monotonic() - begun < 50, "the source went on to the end of the trial"
        time.sleep(0.3)  # what is in the port's socket comes through
        sent = guest.forwarded
        time.sleep(0.5)
        assert guest.forwarded == sent
    assert words in m.partial and [trial.phase for trial in m.trials] == ["path proof", "warm-up"]
    judged = {check.id: check for check in checks(m, "f")}
    assert judged["NFV-PKT-009"].verdict is Verdict.INCONCLUSIVE and words in judged["NFV-PKT-009"].reason
    concluded = {key for key, check in judged.items() if check.verdict is not Verdict.SKIP}
    assert concluded == {"NFV-PKT-001", "NFV-PKT-002", "NFV-PKT-009"}, "nothing is concluded from half a trial"
    assert Measurement.model_validate_json(m.model_dump_json()) == m
    deadline = time.monotonic() + 30
    while guest.pids():  # nobody could tell the capture to end: its own limit does
        assert time.monotonic() < deadline, "the capture goes on for ever"
        time.sleep(0.1)
    cut.unlink(missing_ok=True)
    # What could not be reached is put in order by the next run; the rest has been.
    assert sweep(door, str(memory_dir)) == (0 if what == "agent" else 1)
    assert not list(memory_dir.glob("nfvcap-verify-*"))


@pytest.mark.soak  # the same by its parts is above
def test_the_command_keeps_what_there_is_when_the_agent_dies(agent: Agent, guest: Room, tmp_path: Path) -> None:
    process = nfvcap(agent, guest, tmp_path, "--rate", f"{RATE_PPS}pps", "--profile", "soak", "--format", "json",
                     "--html", str(tmp_path / "r.html"), "--junit", str(tmp_path / "r.xml"))  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("warm-up"):
            break
    before, deadline = guest.forwarded, time.monotonic() + 60
    while guest.forwarded < before + 200:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    kill(guest)
    out, err = process.communicate(timeout=50)
    assert process.returncode == 5, err
    (m,) = Result.from_json(out).hosts[0].measurements
    assert "does not go on" in m.partial and [trial.phase for trial in m.trials] == ["path proof", "warm-up"]
    assert "partial" in (tmp_path / "r.html").read_text() and "does not go on" in (tmp_path / "r.xml").read_text()
    kept = list((tmp_path / "nfvcap" / "runs").glob("*/result.json"))
    assert json.loads(kept[0].read_text())["hosts"][0]["measurements"][0]["partial"] == m.partial
    assert guest.pids() == [] and not list(tmp_path.glob("nfvcap-verify-*"))
