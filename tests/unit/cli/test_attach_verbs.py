# SPDX-License-Identifier: Apache-2.0
"""attach-vf and detach-vf with hand-made facts in place of a host: what they decide, ask for, print, and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nfvcap.apply import attach as applying
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.attach import Attach
from nfvcap.model.facts import Facts
from tests.unit.attach import hosts
from tests.unit.cli.playbooks import Nfvcap, Playbooks, code, command_line
from tests.unit.planner.machines import PORT1

INVENTORY = """
all:
  hosts:
    host1: {nfvcap: {pfs: [{pf: "0000:81:00.0", vfs: 4}], kvm: true}}
    host2: {}
"""


class Hosts(Playbooks):
    """Facts by host, which a test may change."""

    def __init__(self) -> None:
        super().__init__()
        self.known = {"host1": hosts.plain(), "host2": hosts.plain()}
        self.known["host2"]["guests"] = [hosts.guest("vm8")]

    def facts(self, host: str) -> Facts:
        return hosts.typed(self.known[host])

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        data: dict[str, Any] = {"nfvcap_changes": [{"id": "x"}], "nfvcap_notes": ["a note"]}
        if run["names"] == ["attach"]:
            wanted = run["variables"]["nfvcap_attach"][host]
            sight = {"channel": "QEMU guest agent", "name": "eth0", "address": "0000:02:00.0"}
            guest = {"name": wanted["guest"], "uuid": wanted["uuid"]}
            same = {key: wanted[key] for key in ("pf", "index", "address", "mac", "live", "config")}
            return {**data, "nfvcap_attached": {**same, "guest": guest, "sight": sight}}
        guest = {"name": run["variables"]["nfvcap_detach"][host]["guest"]}
        return {**data, "nfvcap_detached": {"pf": PORT1, "index": 2, "address": "0000:81:10.4", "guest": guest}}


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()
    made.stand_in(monkeypatch, applying)
    return made


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Hosts) -> Nfvcap:
    return command_line(tmp_path, monkeypatch, INVENTORY)


def test_attach_says_what_why_and_where_in_the_guest(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("attach-vf", "vm1", "--vlan", "5", "--trust")
    assert result.exception is None, result.exception
    assert "in the guest: eth0 at 0000:02:00.0, told by its QEMU guest agent" in result.stdout
    assert "VLAN of VF 0" in result.stderr and "It was asked for." in result.stderr and "a note" in result.stderr
    (run,) = fleet.runs
    wanted = run["variables"]["nfvcap_attach"]["host1"]
    assert run["hosts"] == ("host1",) and run["check"] is False and "@" in wanted["by"]
    assert wanted["attributes"]["vlan"] == 5 and wanted["attributes"]["trust"] is True


def test_dry_run_asks_the_host_in_check_mode_and_gives_the_document(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("attach-vf", "vm1", "--dry-run", "--format", "json")
    assert fleet.runs[0]["check"] is True and "nothing was changed" in result.stderr
    assert result.return_value == ExitCode.CHANGES_PENDING
    assert Attach.from_json(result.stdout).nfvcap_attach["host1"].guest == "vm1"


def test_the_host_is_found_by_its_guest(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("attach-vf", "vm8").exception is None
    assert fleet.runs[0]["hosts"] == ("host2",)
    fleet.known["host2"]["guests"].append(hosts.guest("vm1"))
    assert code(nfvcap("attach-vf", "vm1")) == "NFV-ATTACH-023"
    assert nfvcap("attach-vf", "vm1", "--host", "host2").exception is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("vm5",), "NFV-ATTACH-001"), (("vm2", "--live"), "NFV-ATTACH-002"), (("vm2", "--both"), "NFV-ATTACH-002"),
        (("vm1", "--vf", "ens1:9"), "NFV-ATTACH-003"), (("vm1", "--vlan", "4095"), "NFV-ATTACH-008"),
        (("vm1", "--mac", "52:54:00:6e:66:11"), "NFV-ATTACH-007"), (("vm1", "--pf", "ens7"), "NFV-ATTACH-003"),
    ],
)  # fmt: skip
def test_bad_input_is_one_refusal_and_no_playbook(
    nfvcap: Nfvcap, fleet: Hosts, words: tuple[str, ...], wanted: str
) -> None:
    result = nfvcap("attach-vf", *words, "--host", "host1")
    assert code(result) == wanted and not fleet.runs
    assert isinstance(result.exception, NfvcapError) and result.exception.exit_code is ExitCode.USAGE


def test_unknown_host(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("attach-vf", "vm1", "--host", "host7")
    assert isinstance(result.exception, NfvcapError) and "host7" in result.exception.what and not fleet.runs


def test_a_host_that_refuses_is_the_error(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.error = NfvcapError("NFV-ATTACH-012", "no port", exit_code=ExitCode.CHECK_FAILED)
    assert code(nfvcap("attach-vf", "vm1")) == "NFV-ATTACH-012"


def test_detach(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert code(nfvcap("detach-vf", "vm1")) == "NFV-ATTACH-016"
    fleet.known["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm1")
    result = nfvcap("detach-vf", "vm1", "--format", "json")
    assert json.loads(result.stdout)["address"] == "0000:81:10.4"
    assert fleet.runs[0]["variables"]["nfvcap_detach"]["host1"]["vf"] == f"{PORT1}:2"
    assert code(nfvcap("detach-vf", "vm1", "--vf", "ens1:1")) == "NFV-ATTACH-016"
    assert "is free" in nfvcap("detach-vf", "vm1", "--vf", "ens1:2").stdout
    tried = nfvcap("detach-vf", "vm1", "--dry-run", "--format", "json")
    assert tried.return_value == ExitCode.CHANGES_PENDING and json.loads(tried.stdout)["changes"] == [{"id": "x"}]
    assert fleet.runs[-1]["check"] is True


def test_detach_from_a_guest_that_libvirt_has_forgotten(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.known["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm9")
    assert nfvcap("detach-vf", "vm9").exception is None


def test_force_needs_consent(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.known["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm1")
    assert code(nfvcap("detach-vf", "vm1", "--force")) == "NFV-CLI-003" and not fleet.runs
    assert nfvcap("detach-vf", "vm1", "--force", "--yes").exception is None
    assert fleet.runs[0]["variables"]["nfvcap_detach"]["host1"]["force"] is True
