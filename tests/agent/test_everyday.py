# SPDX-License-Identifier: Apache-2.0
"""`nfvcap capture` with a network namespace for a guest: start, rates, rotation, pull of closed files, stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nfvcap.agent.frame import FrameId, build
from tests.agent.captures import check
from tests.agent.room import Room, room
from tests.agent.support import Agent


class Verb:
    """The command line, whose guest is a room."""

    def __init__(self, agent: Agent, guest: Room, base: Path) -> None:
        self.agent, self.guest, self.base = agent, guest, base

    def __call__(self, *words: str, expect: int = 0) -> str:
        environment = {**os.environ, "NFVCAP_AGENT": str(self.agent.binary), "XDG_STATE_HOME": str(self.base),
                       "NO_COLOR": "1"}  # fmt: skip
        argv = [sys.executable, "-m", "tests.agent.in_room", self.guest.name, str(self.base), self.guest.interface,
                "capture", "vm1", *words, "--directory", str(self.base / "captures")]  # fmt: skip
        done = subprocess.run(argv, env=environment, text=True, capture_output=True, timeout=200)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + (done.stderr if expect else "")

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--format", "json"))


@pytest.fixture
def verb(agent: Agent, tmp_path: Path) -> Iterator[Verb]:
    with room(tmp_path) as guest:
        guest.run("ip", "link", "set", guest.interface, "up")
        made = Verb(agent, guest, tmp_path)
        yield made
        for pid in guest.pids():
            os.kill(pid, 9)


def send(guest: Room, numbers: range) -> None:
    with guest.wire() as wire:
        for number in numbers:
            wire.send(build(200, FrameId(number, time.time_ns())))


def test_an_interface_that_is_down_is_set_up(verb: Verb) -> None:
    verb.guest.run("ip", "link", "set", verb.guest.interface, "down")
    verb.json("start", "--options", "--burst-buffer 16M")
    send(verb.guest, range(50))
    deadline = time.monotonic() + 100
    while verb.json("status")["captures"][0]["stored"] < 50:
        assert time.monotonic() < deadline
    verb("stop")


def test_a_capture_from_its_start_to_its_files(verb: Verb, agent: Agent, tmp_path: Path) -> None:
    assert verb("status") == "vm1: no captures\n"
    started = verb.json("start", "--filter", "udp port 51966", "--options", "--burst-buffer 16M")
    assert started["ports"] == [f"af_packet:{verb.guest.interface}"]
    assert "NFV-CAP-001" in verb("start", expect=2)
    assert len(verb.guest.pids()) >= 1  # it goes on when the command has ended

    send(verb.guest, range(500))
    deadline = time.monotonic() + 100
    while (found := verb.json("status")["captures"][0])["stored"] < 500:
        assert time.monotonic() < deadline, found
    assert found["running"] and found["stored"] == 500 and found["lost"] == {}

    home = tmp_path / "home"
    home.mkdir()
    assert verb("pull", "--to", str(home)) == ""  # nothing is closed yet
    assert len(verb("pull", "--to", str(home), "--now", "--delete").splitlines()) == 1
    (first,) = home.iterdir()
    assert check(agent, first, "--expect", "500").code == 0
    assert len(list((tmp_path / "captures" / "capture").glob("*.pcap"))) <= 1  # the one that is being written

    send(verb.guest, range(500, 700))
    time.sleep(1)
    ended = verb.json("stop")
    assert (ended["stored"], ended["lost"], ended["ended"]) == (700, {}, "SIGTERM")
    assert verb.guest.pids() == [] and "ended" in verb("status")
    verb("pull", "--to", str(home))
    assert check(agent, *sorted(home.iterdir()), "--expect", "700").code == 0

    second = next(file for file in home.iterdir() if file != first)
    second.write_bytes(b"another guest's only copy")
    assert "NFV-CAP-006" in verb("pull", "--to", str(home), "--delete", expect=2)
    assert second.read_bytes() == b"another guest's only copy"

    for action in ("stop", "status"):
        assert "NFV-CAP-002" in verb(action, "--name", "other", expect=2)
    verb("start", "--rotate", "1h", "--quota", "1G", "--snaplen", "96")  # under the same name again: its files stay
    assert len(list((tmp_path / "captures" / "capture").glob("*.pcap"))) >= 1
    verb("remove")
    assert verb.guest.pids() == [] and verb("status") == "vm1: no captures\n"


def test_what_cannot_be_is_said(verb: Verb, tmp_path: Path) -> None:
    assert "syntax error" in verb("start", "--filter", "no such word", expect=2)
    assert verb.guest.pids() == []
    assert "NFV-CAP-005" in verb("pull", "--to", str(tmp_path / "nowhere"), expect=2)
    assert "not a time" in verb("start", "--rotate", "soon", expect=2)
    for name in ("", "a/b", "a b", "..", "%t"):
        assert "is no name" in verb("remove", "--name", name, expect=2)
    assert "No closing quotation" in verb("start", "--options", "'", expect=2)
