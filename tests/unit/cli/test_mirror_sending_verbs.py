# SPDX-License-Identifier: Apache-2.0
"""mirror test and mirror isolation with a made-up source and made-up ears: what they ask for, count, and say."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nfvcap.apply import mirror as applying
from nfvcap.cli import mirror_isolation, mirror_try
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.lab.errors import LabError
from nfvcap.mirror.stream import Sent, Stream
from nfvcap.model.facts import Facts
from tests.unit.attach import hosts
from tests.unit.cli.playbooks import Nfvcap, Playbooks, code, command_line
from tests.unit.planner.machines import PORT0, PORT1

INVENTORY = 'all: {hosts: {host1: {nfvcap: {pfs: [{pf: "0000:81:00.0", vfs: 4}], kvm: true}}}}'
MACS = ("02:00:00:81:00:00", "02:00:00:81:00:01")
VM = {"kind": "vf", "interface": "", "guest": "", "mac": ""}


class Lab(Playbooks):
    """Two guests with VFs, a rule from the first to vf2, a source, and ears that hear all but what is ``unheard``."""

    def __init__(self) -> None:
        super().__init__()
        self.known = hosts.plain()
        vfs = hosts.vfs_of(self.known, PORT1)
        for index, mac in enumerate(MACS):
            vfs[index]["mac"] = mac
            self.known["guests"][index] |= {"state": "running", "hostdevs": [vfs[index]["address"]]}
        self.unheard: dict[int, set[int]] = {}
        self.twice: dict[int, set[int]] = {}
        self.sent: list[Sent] = []
        self.streams: Sequence[Stream] = ()
        self.failure: NfvcapError | None = None
        self.lacking: list[str] = []
        self.direction, self.sources = "in", ("vm1",)
        self.begun = threading.Event()

    def facts(self, host: str) -> Facts:
        return hosts.typed(self.known)

    def send(self, streams: Sequence[Stream], rate_pps: float, stop: threading.Event, longest_s: float) -> list[Sent]:
        self.streams = streams
        self.begun.set()
        if self.failure:
            raise self.failure
        if not all(stream.count for stream in streams):
            assert stop.wait(20)
        self.sent = [Sent(40 + at, 1000, stream.count or 50) for at, stream in enumerate(streams)]
        return self.sent

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        if run["names"] == ["mirror"]:
            rule = {
                "rule_id": "m1", "pf": PORT1, "direction": self.direction,
                "sources": [{**VM, "index": index, "label": name} for index, name in enumerate(self.sources)],
                "monitor": {**VM, "index": 2, "label": "vm3"}, "words": "", "lacking": self.lacking,
            }  # fmt: skip
            return {"rules": [rule]}
        wanted = run["variables"]["nfvcap_ears"]
        if wanted["state"] == "open":
            return {"ears": [{"place": number} for number in range(len(wanted["places"]))]}
        return {"heard": [self._heard(ear["place"], ear["flow"]) for ear in wanted["ears"]]}

    def _heard(self, place: int, flow: int) -> dict[str, Any]:
        here = [one for one in self.sent if one.flow == flow]
        if not here:
            return {"received": 0, "ranges": []}
        count = here[0].count
        numbers = [1000 + number for number in range(count) if number not in self.unheard.get(place, set())]
        numbers += [1000 + number for number in self.twice.get(place, set())]
        return {"received": len(numbers), "ranges": [[number, number] for number in sorted(set(numbers))]}

    def ears(self) -> list[dict[str, Any]]:
        return [run["variables"]["nfvcap_ears"] for run in self.runs if run["names"] == ["ears"]]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab()
    made.stand_in(monkeypatch, applying)
    for module in (mirror_try, mirror_isolation):
        monkeypatch.setattr(module, "source", lambda origin, pf: made)
    return made


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Nfvcap:
    return command_line(tmp_path, monkeypatch, INVENTORY, "mirror")


def test_a_complete_copy(nfvcap: Nfvcap, lab: Lab) -> None:
    result = nfvcap("test", "vm3", "--count", "20")
    assert result.exception is None, result.exception
    assert result.return_value == ExitCode.OK and "the copy is complete" in result.stdout
    assert [(stream.mac, stream.count) for stream in lab.streams] == [(MACS[0], 20)]
    opened, closed = lab.ears()
    assert [place["index"] for place in opened["places"]] == [0, 2]
    assert [ear["flow"] for ear in closed["ears"]] == [40, 40]


def test_a_rule_for_what_a_guest_sends_is_not_tried_by_frames_to_it(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.direction = "out"
    assert code(nfvcap("test", "vm3")) == "NFV-MIRROR-036"
    assert not lab.ears() and not lab.streams


@pytest.mark.parametrize(
    ("direction", "sources", "left_out", "said"),
    [
        ("in", ("vm1",), [], ""),
        ("both", ("vm1",), ["out"], "in, of vm1; out is not tried"),
        ("in", ("vm1", "vm2"), ["vm2"], "in, of vm1; vm2 is not tried"),
        ("both", ("vm1", "vm2"), ["out", "vm2"], "in, of vm1; out is not tried; vm2 is not tried"),
    ],
)
def test_what_was_tried_and_what_not_is_said(
    nfvcap: Nfvcap, lab: Lab, direction: str, sources: tuple[str, ...], left_out: list[str], said: str
) -> None:
    lab.direction, lab.sources = direction, sources
    result = nfvcap("test", "vm3", "--count", "20")
    assert result.return_value == ExitCode.OK and said in result.stdout
    assert ("as far as it was tried" in result.stdout) == ("not tried" in result.stdout) == bool(said)
    found = json.loads(nfvcap("test", "vm3", "--count", "20", "--format", "json").stdout)
    assert found["tried"] == {"direction": "in", "source": "vm1", "not_tried": left_out}


def test_what_the_monitor_missed_is_a_failure_with_its_numbers(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.unheard[1] = {3, 4}
    result = nfvcap("test", "vm3", "--count", "20")
    assert result.return_value == ExitCode.CHECK_FAILED
    assert "missing: 3-4" in result.stdout and "copies lost: 2" in result.stdout


def test_ears_are_closed_when_the_source_fails(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.failure = LabError(7, "the lab server is gone", "", "")
    assert code(nfvcap("test", "vm3")) == "NFV-LAB-007"
    assert [ear["state"] for ear in lab.ears()] == ["open", "closed"]


def test_it_waits_until_the_rule_stands_again(nfvcap: Nfvcap, lab: Lab) -> None:
    assert nfvcap("test", "vm3").return_value == ExitCode.OK
    assert [run["names"] for run in lab.runs] == [["mirror"], ["ears"], ["ears"], ["mirror"]]
    wanted = lab.runs[-1]["variables"]["nfvcap_mirror_request"]
    assert wanted["state"] == "list" and wanted["rules"] == ["m1"] and wanted["within_s"] > 0
    lab.lacking = ["vm3 (vf2) has the address 02:00:00:81:00:02"]
    result = nfvcap("test", "vm3", "--format", "json")
    assert result.return_value == ExitCode.CHECK_FAILED and json.loads(result.stdout)["lacking"] == lab.lacking
    assert "NFV-MIRROR-035" in result.stderr and lab.lacking[0] in result.stderr


def test_isolation_for_a_time(nfvcap: Nfvcap, lab: Lab) -> None:
    result = nfvcap("isolation", "vm1", "vm2", "--for", "0.2")
    assert result.exception is None, result.exception
    assert result.return_value == ExitCode.OK
    assert "isolation: lost 0, duplicated 0 of 100 frames" in result.stdout.splitlines()[-1]
    assert [stream.mac for stream in lab.streams] == list(MACS)
    assert [ear["flow"] for ear in lab.ears()[1]["ears"]] == [40, 41]


def test_isolation_while_a_command_runs(
    nfvcap: Nfvcap, lab: Lab, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nfvcap("isolation", "vm1", "--while", "echo hello")
    assert capfd.readouterr() == ("", "hello\n")  # the verb's own words are with click's runner
    result = nfvcap("isolation", "vm1", "--while", f"touch {tmp_path}/one; touch {tmp_path}/two")
    assert result.return_value == ExitCode.OK and (tmp_path / "two").exists()
    result = nfvcap("isolation", "vm1", "--while", "exit 3")
    assert result.return_value == ExitCode.INCONCLUSIVE and "ended with 3" in result.stderr
    assert "lost 0" in result.stdout  # counted all the same


def test_isolation_ended_by_hand_is_counted(nfvcap: Nfvcap, lab: Lab) -> None:
    threading.Thread(target=lambda: lab.begun.wait(20) and os.kill(os.getpid(), signal.SIGINT)).start()
    result = nfvcap("isolation", "vm1", "--for", "60")
    assert result.return_value == ExitCode.OK and "lost 0, duplicated 0 of 50 frames" in result.stdout


def test_a_guest_that_was_touched(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.unheard[1], lab.twice[0] = {7, 8, 20}, {0}
    result = nfvcap("isolation", "vm1", "vm2", "--for", "0.1", "--format", "json")
    assert result.return_value == ExitCode.CHECK_FAILED
    found = json.loads(result.stdout)
    assert (found["lost"], found["duplicated"], found["sent"]) == (3, 1, 100)
    assert found["guests"][1]["missing"] == [[7, 8], [20, 20]] and found["guests"][0]["duplicated"] == 1


def test_a_source_that_fails_in_the_middle_is_the_error(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.failure = LabError(7, "the lab server is gone", "", "")
    assert code(nfvcap("isolation", "vm1", "--for", "0.1")) == "NFV-LAB-007"


def test_whom_frames_cannot_be_sent_to(nfvcap: Nfvcap, lab: Lab) -> None:
    lab.known["guests"].append(hosts.guest("vm4"))
    lab.known["guests"].append(hosts.guest("vm5", hostdevs=(hosts.vfs_of(lab.known, PORT0)[0]["address"],)))
    lab.known["guests"][0]["hostdevs"].append(hosts.vfs_of(lab.known, PORT1)[3]["address"])
    hosts.vfs_of(lab.known, PORT1)[1]["mac"] = None
    assert code(nfvcap("isolation", "vm9")) == "NFV-ATTACH-001"
    assert code(nfvcap("isolation", "vm2", "vm9")) == "NFV-MIRROR-020"
    assert code(nfvcap("isolation", "vm4")) == "NFV-MIRROR-026"
    assert code(nfvcap("isolation", "vm1")) == "NFV-MIRROR-022"
    assert code(nfvcap("isolation", "vm2", "vm5")) == "NFV-MIRROR-021"
    assert code(nfvcap("isolation", "vm2")) == "NFV-MIRROR-034"
    assert not lab.runs
