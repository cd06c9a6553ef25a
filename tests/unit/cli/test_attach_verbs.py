# SPDX-License-Identifier: Apache-2.0
"""attach-vf and detach-vf with hand-made facts in place of a host: what they decide, ask for, print, and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nfvcap.apply import attach as applying
from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.apply.events import Status, TaskEnded
from nfvcap.apply.provision import Batch
from nfvcap.cli.main import cli
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.attach import Attach
from nfvcap.model.facts import Facts
from tests.unit.attach import hosts
from tests.unit.planner.machines import PORT1

INVENTORY = """
all:
  hosts:
    host1: {nfvcap: {pfs: [{pf: "0000:81:00.0", vfs: 4}], kvm: true}}
    host2: {}
"""
Nfvcap = Callable[..., Result]


class Hosts:
    """Facts by host, and what was asked of the playbooks."""

    def __init__(self) -> None:
        self.facts = {"host1": hosts.plain(), "host2": hosts.plain()}
        self.facts["host2"]["guests"] = [hosts.guest("vm8")]
        self.runs: list[dict[str, Any]] = []
        self.error: NfvcapError | None = None

    def collect(self, target: Target, on_event: Any = None) -> Batch[Facts]:
        return Batch({host: hosts.typed(self.facts[host]) for host in target.hosts}, {})

    def run(self, names: list[str], target: Target, **options: Any) -> Outcome:
        self.runs.append({"names": names, "hosts": target.hosts, **options})
        (host,) = target.hosts
        data: dict[str, Any] = {"nfvcap_changes": [{"id": "x"}], "nfvcap_notes": ["a note"]}
        if names == ["attach"]:
            wanted = options["variables"]["nfvcap_attach"][host]
            sight = {"channel": "QEMU guest agent", "name": "eth0", "address": "0000:02:00.0"}
            guest = {"name": wanted["guest"], "uuid": wanted["uuid"]}
            same = {key: wanted[key] for key in ("pf", "index", "address", "mac", "live", "config")}
            data["nfvcap_attached"] = {**same, "guest": guest, "sight": sight}
        else:
            wish = options["variables"]["nfvcap_detach"][host]
            data["nfvcap_detached"] = {
                "pf": PORT1, "index": 2, "address": "0000:81:10.4", "guest": {"name": wish["guest"]},
            }  # fmt: skip
        ended = TaskEnded(host, "", "x", "nfvcap_attach", Status.CHANGED, False, 0.1, data)
        return Outcome([ended], {host: self.error} if self.error else {})


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()
    monkeypatch.setattr(facts_reader, "collect", made.collect)
    monkeypatch.setattr(applying, "run_playbooks", made.run)
    return made


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Hosts) -> Nfvcap:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NFVCAP_INVENTORY", raising=False)
    return lambda *argv: CliRunner().invoke(cli, list(argv), standalone_mode=False)


def code(result: Result) -> str:
    assert isinstance(result.exception, NfvcapError), result.exception
    return result.exception.code


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
    assert Attach.from_json(result.stdout).nfvcap_attach["host1"].guest == "vm1"


def test_the_host_is_found_by_its_guest(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("attach-vf", "vm8").exception is None
    assert fleet.runs[0]["hosts"] == ("host2",)
    fleet.facts["host2"]["guests"].append(hosts.guest("vm1"))
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
    fleet.facts["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm1")
    result = nfvcap("detach-vf", "vm1", "--format", "json")
    assert json.loads(result.stdout)["address"] == "0000:81:10.4"
    assert fleet.runs[0]["variables"]["nfvcap_detach"]["host1"]["vf"] == f"{PORT1}:2"
    assert code(nfvcap("detach-vf", "vm1", "--vf", "ens1:1")) == "NFV-ATTACH-016"
    assert "is free" in nfvcap("detach-vf", "vm1", "--vf", "ens1:2").stdout


def test_detach_from_a_guest_that_libvirt_has_forgotten(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.facts["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm9")
    assert nfvcap("detach-vf", "vm9").exception is None


def test_force_needs_consent(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.facts["host1"]["ledger"] = hosts.attached(PORT1, 2, "vm1")
    assert code(nfvcap("detach-vf", "vm1", "--force")) == "NFV-CLI-003" and not fleet.runs
    assert nfvcap("detach-vf", "vm1", "--force", "--yes").exception is None
    assert fleet.runs[0]["variables"]["nfvcap_detach"]["host1"]["force"] is True
