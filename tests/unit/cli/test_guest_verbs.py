# SPDX-License-Identifier: Apache-2.0
"""nfvcap guest with hand-made facts and answers in place of a host: what it asks for, prints, and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nfvcap.apply import guest as guests
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from tests.unit.cli.playbooks import Nfvcap, Playbooks, code, command_line
from tests.unit.planner.machines import lab_host

INVENTORY = """
all:
  hosts:
    host1:
      nfvcap:
        guests:
          vm1: {vcpus: 1, memory: 1G, image: {kernel: /srv/k, initrd: /srv/i}}
          vm2: {vcpus: 1, memory: 1G}
          vm4: {vcpus: 1, memory: 1G, image: {disk: /srv/debian.qcow2, size: 10G}}
    host2: {nfvcap: {guests: {vm2: {vcpus: 1, memory: 1G}}}}
"""


class Hosts(Playbooks):
    agent = True

    def facts(self, host: str) -> Facts:
        return lab_host()

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        vf = {
            "address": "0000:81:10.0",
            "guest_address": "0000:01:00.0",
            "mac": "02:00:00:81:00:00",
            "interface": "eth0",
        }
        seen = {"name": "vm1", "uuid": "u", "state": "running", "ours": True, "agent": self.agent, "interfaces": []}
        return {
            "nfvcap_changes": [{"id": "guest:vm1:state", "before": "off", "after": "running"}],
            "nfvcap_guests": [seen | {"vfs": [vf]}],
        }

    def wanted(self) -> list[dict[str, Any]]:
        """What the only run wanted of host1."""
        (run,) = self.runs
        found: list[dict[str, Any]] = run["variables"]["nfvcap_guests"]["host1"]
        return found


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()
    made.stand_in(monkeypatch, guests)
    return made


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Hosts) -> Nfvcap:
    return command_line(tmp_path, monkeypatch, INVENTORY, "guest")


def test_create_and_start_in_one_run(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("create", "vm1", "--start")
    assert result.exception is None, result.exception
    assert [(guest["name"], guest["state"]) for guest in fleet.wanted()] == [("vm1", "defined"), ("vm1", "running")]
    assert "<kernel>/srv/k</kernel>" in fleet.wanted()[0]["xml"]
    assert fleet.runs[0]["hosts"] == ("host1",) and fleet.runs[0]["check"] is False
    assert "0000:81:10.0" in result.stdout and "eth0" in result.stdout


def test_a_cloud_image_comes_with_overlay_and_seed(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("create", "vm4").exception is None
    disk = fleet.wanted()[0]["disk"]
    assert disk["base"] == "/srv/debian.qcow2" and disk["size_bytes"] == 10 << 30 and disk["seed"]


def test_the_document_works_without_the_command_line(nfvcap: Nfvcap, fleet: Hosts, tmp_path: Path) -> None:
    assert nfvcap("create", "vm1", "--document", str(tmp_path / "guests.json")).exception is None
    made = json.loads((tmp_path / "guests.json").read_text())
    assert made["nfvcap_guests_schema"] == "nfvcap/guests/1" and made["nfvcap_guests"]["host1"][0]["name"] == "vm1"
    assert fleet.runs == []


def test_a_dry_run_is_check_mode_and_says_that_something_is_pending(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("start", "vm1", "--dry-run")
    assert result.return_value == ExitCode.CHANGES_PENDING and fleet.runs[0]["check"] is True
    assert "would change guest:vm1:state: off → running" in result.stdout


def test_a_guest_without_an_answer_is_inconclusive(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.agent = False
    result = nfvcap("start", "vm1", "--wait", "1")
    assert code(result) == "NFV-GUEST-013"
    assert nfvcap("start", "vm1", "--wait", "0").exception is None


def test_stop_passes_its_patience_on(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("stop", "vm1", "--timeout", "7", "--force").exception is None
    assert fleet.wanted() == [{"name": "vm1", "state": "stopped", "timeout_s": 7.0, "force": True}]


def test_destroy_asks(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert code(nfvcap("destroy", "vm1")) == "NFV-CLI-003" and fleet.runs == []
    assert nfvcap("destroy", "vm1", "--yes").exception is None
    assert fleet.wanted()[0]["state"] == "absent"


def test_what_libvirt_says_comes_through(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.error = NfvcapError("NFV-GUEST-020", "host1: not ours", exit_code=ExitCode.CHECK_FAILED)
    assert code(nfvcap("start", "vm1")) == "NFV-GUEST-020"


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (("create", "vm9"), "NFV-GUEST-005"),
        (("create", "vm9", "--host", "host1"), "NFV-GUEST-005"),
        (("start", "vm2"), "NFV-GUEST-006"),
        (("create", "vm2", "--host", "host1"), "NFV-GUEST-008"),
    ],
)
def test_bad_input_changes_nothing(nfvcap: Nfvcap, fleet: Hosts, argv: tuple[str, ...], wanted: str) -> None:
    assert code(nfvcap(*argv)) == wanted and fleet.runs == []


def test_a_guest_that_the_inventory_does_not_name_needs_its_host(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("start", "somebodys", "--host", "host1").exception is None
    assert fleet.wanted()[0]["name"] == "somebodys"


def test_list_shows_what_is_there_and_what_is_only_planned(nfvcap: Nfvcap, fleet: Hosts) -> None:
    text = nfvcap("list", "host1").stdout
    assert "0000:81:10.0  0000:01:00.0  eth0" in text and "vm2" in text and "not created" in text
    seen = json.loads(nfvcap("list", "host1", "--format", "json").stdout)
    assert seen["hosts"]["host1"][0]["vfs"][0]["interface"] == "eth0"


def test_xml_is_printed_and_nothing_else(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert nfvcap("xml", "vm1").stdout.startswith("<domain type='kvm'>") and fleet.runs == []
