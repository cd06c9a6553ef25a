# SPDX-License-Identifier: Apache-2.0
"""mirror add, remove and list, and attach-vf --mirror: what they send to hosts, in which order, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from nfvcap.apply import attach as attaching
from nfvcap.apply import mirror as applying
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.attach import Attach
from nfvcap.model.facts import Facts
from tests.unit.attach import hosts
from tests.unit.cli.playbooks import Nfvcap, Playbooks, code, command_line
from tests.unit.planner.machines import PORT0, PORT1

INVENTORY = """
all:
  hosts:
    host1: {nfvcap: {pfs: [{pf: "0000:81:00.0", vfs: 4}], kvm: true, mirror: {registers: true}}}
"""
OFFER = {
    "backend": "igbmac", "direction": "in", "copies": ["frames to vm1"], "leaves_out": ["what it sends"],
    "effects": ["a second address"], "isolation": "queue drop is on", "detail": {"mac": "02:00:00:81:00:00"},
}  # fmt: skip
ISOLATION = "queue drop is on"


class Host(Playbooks):
    """vm1 and vm2 with VFs 0 and 1 of one port, vm3 without one; what is offered and refused may be changed.

    Attributes:
        asked: for each run: its name, whether it was in check mode, and what had been printed before it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.known = hosts.plain()
        vfs = hosts.vfs_of(self.known, PORT1)
        self.known["guests"] = [
            hosts.guest("vm1", hostdevs=(vfs[0]["address"],)),
            hosts.guest("vm2", hostdevs=(vfs[1]["address"],)),
            hosts.guest("vm3", hostdevs=(vfs[2]["address"],)),
            hosts.guest("vm4", node=None),
        ]
        self.offers: list[dict[str, Any] | None] = [OFFER]
        self.lacking: list[str] = []
        self.interrupted = False
        self.printed: list[str] = []
        self.asked: list[tuple[str, bool, str]] = []
        for module in ("nfvcap.cli.mirror", "nfvcap.cli.mirror_offer", "nfvcap.cli.attach_vf"):
            for name in ("say", "emit"):
                monkeypatch.setattr(f"{module}.{name}", self.take, raising=False)
        self.stand_in(monkeypatch, attaching, applying)

    def take(self, line: str) -> None:
        self.printed.append(line)

    def facts(self, host: str) -> Facts:
        return hosts.typed(self.known)

    def run(self, names: list[str], target: Any, **options: Any) -> Any:
        outcome = super().run(names, target, **options)
        if self.interrupted and options.get("check"):
            outcome.failures["host1"] = NfvcapError("NFV-ATTACH-005", "it is taken", exit_code=ExitCode.CHECK_FAILED)
        return outcome

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        check = bool(run.get("check"))
        self.asked.append((run["names"][0], check, "\n".join(self.printed)))
        notes = ["an interrupted attach"] if self.interrupted else []
        request = run["variables"].get("nfvcap_mirror_request", {})
        rule = {
            "rule_id": "m1", "pf": PORT1, "backend": "igbmac", "direction": "in", "since": "now", "who": "me",
            "until": "", "lacking": self.lacking, "words": "",
            "sources": [{"kind": "vf", "index": 0, "label": "vm1", "interface": "", "guest": ""}],
            "monitor": {"kind": "vf", "index": 2, "label": "vm3", "interface": "", "guest": ""},
        }  # fmt: skip
        if request.get("state") in ("list", "absent"):
            self.interrupted = False
            return {
                "rules": [rule],
                "keeper": {"rules": {"m1": {"repairs": 0}}},
                "nfvcap_notes": ["settled"] * len(notes),
            }
        offer = self.offers.pop(0) if len(self.offers) > 1 else self.offers[0]
        data = {"offer": offer, "rule": rule, "refusals": [], "nfvcap_notes": notes}
        if run["names"] == ["attach"]:
            wanted = run["variables"]["nfvcap_attach"][host]
            same = {key: wanted[key] for key in ("pf", "index", "address", "mac", "live", "config")}
            data["nfvcap_attached"] = {**same, "guest": {"name": wanted["guest"]}, "sight": None}
        return data

    def requests(self) -> list[dict[str, Any]]:
        return [run["variables"]["nfvcap_mirror_request"] for run in self.runs]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host) -> Nfvcap:
    return command_line(tmp_path, monkeypatch, INVENTORY)


def fine(result: Result) -> Result:
    assert result.exception is None, result.exception
    return result


@pytest.mark.parametrize("words", [("mirror", "add", "vm3", "vm1"), ("attach-vf", "vm4", "--mirror", "vm1")])
def test_what_is_copied_is_said_before_it_is(nfvcap: Nfvcap, host: Host, words: tuple[str, ...]) -> None:
    fine(nfvcap(*words))
    (_, first, _), (_, second, said) = host.asked
    assert (first, second) == (True, False)
    assert ISOLATION in said and "frames to vm1" in said and "what it sends" in said
    assert "\n".join(host.printed).count(ISOLATION) == 1, "said once"


@pytest.mark.parametrize("words", [("mirror", "add", "vm3", "vm1"), ("attach-vf", "vm4", "--mirror", "vm1")])
def test_a_host_that_offers_something_else_meanwhile_says_so(
    nfvcap: Nfvcap, host: Host, words: tuple[str, ...]
) -> None:
    host.offers = [OFFER, {**OFFER, "backend": "poolselect", "isolation": "not known"}]
    fine(nfvcap(*words))
    assert "changed meanwhile" in "\n".join(host.printed) and "not known" in "\n".join(host.printed)


@pytest.mark.parametrize("words", [("mirror", "add", "vm3", "vm1"), ("attach-vf", "vm4", "--mirror", "vm1")])
def test_what_was_interrupted_is_settled_before_the_host_is_asked_again(
    nfvcap: Nfvcap, host: Host, words: tuple[str, ...]
) -> None:
    host.interrupted = True
    fine(nfvcap(*words))
    name = "attach" if words[0] == "attach-vf" else "mirror"
    assert [(one, check) for one, check, _ in host.asked] == [
        (name, True), ("mirror", False), (name, True), (name, False),
    ]  # fmt: skip
    assert host.runs[1]["variables"]["nfvcap_mirror_request"] == {"state": "list"}
    assert "settled" in "\n".join(host.printed)


@pytest.mark.parametrize("words", [("mirror", "add", "vm3", "vm1"), ("attach-vf", "vm4", "--mirror", "vm1")])
def test_a_refusal_in_check_mode_is_the_end(nfvcap: Nfvcap, host: Host, words: tuple[str, ...]) -> None:
    host.error = NfvcapError("NFV-MIRROR-001", "nothing can copy it", exit_code=ExitCode.CHECK_FAILED)
    assert code(nfvcap(*words)) == "NFV-MIRROR-001"
    assert [check for _, check, _ in host.asked] == [True]


def test_without_copies_a_host_is_asked_once(nfvcap: Nfvcap, host: Host) -> None:
    host.offers = [None]
    fine(nfvcap("attach-vf", "vm4"))
    assert [check for _, check, _ in host.asked] == [False]


def test_the_document_of_a_dry_run_has_the_offer_and_what_becomes_of_the_others(nfvcap: Nfvcap, host: Host) -> None:
    result = fine(nfvcap("attach-vf", "vm4", "--mirror", "vm1", "--dry-run", "--format", "json"))
    assert result.return_value == ExitCode.CHANGES_PENDING and [check for _, check, _ in host.asked] == [True]
    (text,) = [line for line in host.printed if line.startswith("{")]
    wanted = Attach.from_json(text).nfvcap_attach["host1"]
    assert wanted.mirror_offer is not None and wanted.mirror_offer.isolation == ISOLATION
    assert wanted.mirror_offer.copies == ("frames to vm1",) and wanted.mirror is not None
    assert "mirror_offer" not in wanted.mirror.model_dump(), "the module takes the wish as it is"


def test_attach_sends_direction_time_and_consent(nfvcap: Nfvcap, host: Host) -> None:
    fine(nfvcap("attach-vf", "vm4", "--mirror", "vm1,vm2", "--direction", "out", "--for", "90m", "--allow-promisc"))
    for run in host.runs:
        wish = run["variables"]["nfvcap_attach"]["host1"]["mirror"]
        assert (wish["direction"], wish["for_s"], wish["may_promisc"]) == ("out", 5400, True)
        assert wish["may_registers"] is True and [one["index"] for one in wish["sources"]] == [0, 1]
    fine(nfvcap("attach-vf", "vm4", "--mirror", "vm1"))
    wish = host.runs[-1]["variables"]["nfvcap_attach"]["host1"]["mirror"]
    assert (wish["direction"], wish["for_s"], wish["may_promisc"]) == ("", 0, False)


def test_the_vf_is_taken_of_the_port_of_those_who_are_watched(nfvcap: Nfvcap, host: Host) -> None:
    host.known["guests"][3]["memory_nodes"] = [0]  # its own node is that of the other port
    fine(nfvcap("attach-vf", "vm4"))
    assert host.runs[-1]["variables"]["nfvcap_attach"]["host1"]["pf"] == PORT0
    fine(nfvcap("attach-vf", "vm4", "--mirror", "vm1"))
    assert host.runs[-1]["variables"]["nfvcap_attach"]["host1"]["pf"] == PORT1


def test_a_time_that_is_none_is_told_before_any_host_is_asked(nfvcap: Nfvcap, host: Host) -> None:
    assert code(nfvcap("attach-vf", "vm4", "--mirror", "vm1", "--for", "soon")) == "NFV-MIRROR-025"
    assert code(nfvcap("mirror", "add", "vm3", "vm1", "--for", "soon")) == "NFV-MIRROR-025"
    assert not host.runs


def test_add_sends_what_was_asked_for(nfvcap: Nfvcap, host: Host) -> None:
    fine(nfvcap("mirror", "add", "vm3", "vm1,vm2", "--direction", "in", "--for", "2h", "--backend", "poolselect"))
    first, second = host.requests()
    assert first == second
    assert (first["state"], first["pf"], first["monitor"]["index"]) == ("present", PORT1, 2)
    assert [one["index"] for one in first["sources"]] == [0, 1]
    assert (first["direction"], first["for_s"], first["backend"]) == ("in", 7200, "poolselect")
    assert first["may_registers"] is True and first["may_promisc"] is False and "@" in first["who"]
    fine(nfvcap("mirror", "add", "vm3", "--allow-promisc", "--dry-run"))
    last = host.requests()[-1]
    assert last["may_promisc"] is True and [one["kind"] for one in last["sources"]] == ["all"]
    assert (last["direction"], last["for_s"], last["backend"]) == ("", 0, "") and host.runs[-1]["check"] is True


def test_add_of_a_rule_that_stands(nfvcap: Nfvcap, host: Host) -> None:
    host.offers = [None]
    fine(nfvcap("mirror", "add", "vm3", "vm1"))
    assert "stands already as rule m1" in "\n".join(host.printed)


def test_add_in_json(nfvcap: Nfvcap, host: Host) -> None:
    fine(nfvcap("mirror", "add", "vm3", "vm1", "--format", "json"))
    assert json.loads(host.printed[0])["offer"]["isolation"] == ISOLATION
    assert [check for _, check, _ in host.asked] == [False]


@pytest.mark.parametrize("words", [("m1",), ("vm3",), ("--all",)])
def test_remove_by_id_by_monitor_or_all(nfvcap: Nfvcap, host: Host, words: tuple[str, ...]) -> None:
    fine(nfvcap("mirror", "remove", *words))
    listed, removed = host.requests()
    assert listed == {"state": "list"}
    assert (removed["state"], removed["rules"]) == ("absent", ["m1"]) and "@" in removed["who"]
    assert host.runs[1]["check"] is False
    assert fine(nfvcap("mirror", "remove", *words, "--dry-run")).return_value == ExitCode.CHANGES_PENDING
    assert host.runs[-1]["check"] is True


@pytest.mark.parametrize(
    ("words", "wanted"), [((), "NFV-MIRROR-023"), (("m1", "--all"), "NFV-MIRROR-023"), (("m9",), "NFV-MIRROR-003")]
)
def test_remove_of_what_is_not_clear(nfvcap: Nfvcap, host: Host, words: tuple[str, ...], wanted: str) -> None:
    assert code(nfvcap("mirror", "remove", *words)) == wanted
    assert all(request["state"] == "list" for request in host.requests())


def test_list_says_what_lacks(nfvcap: Nfvcap, host: Host) -> None:
    assert fine(nfvcap("mirror", "list")).return_value == ExitCode.OK
    host.lacking = ["register 0x5404 is 0"]
    assert fine(nfvcap("mirror", "list", "host1")).return_value == ExitCode.CHECK_FAILED
    assert host.requests() == [{"state": "list"}] * 2 and "register 0x5404" in "\n".join(host.printed)
