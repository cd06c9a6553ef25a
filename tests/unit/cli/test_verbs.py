# SPDX-License-Identifier: Apache-2.0
"""The verbs with hand-made facts in place of Ansible: what they print where, what they ask, how they exit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nfvcap.apply import facts as facts_reader
from nfvcap.apply import room
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.apply.events import Status, TaskEnded
from nfvcap.apply.provision import Batch
from nfvcap.cli import consent
from nfvcap.cli.main import cli
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.model.plan import Plan
from tests.unit.planner import machines

INVENTORY = """
all:
  hosts:
    host1:
      nfvcap: &wanted
        hugepages: [{size: 2M, node: 1, count: 16}]
        pfs: [{pf: "0000:81:00.0", vfs: 2}]
    host2: {nfvcap: *wanted}
    host3: {}
"""
Nfvcap = Callable[..., Result]


@pytest.fixture
def unreachable() -> set[str]:
    """Hosts that do not answer; a test adds to it."""
    return set()


@pytest.fixture(autouse=True)
def _fake_facts(monkeypatch: pytest.MonkeyPatch, unreachable: set[str]) -> None:
    def collect(target: Target, on_event: Any = None) -> Batch[Facts]:
        away = {host for host in target.hosts if host in unreachable}
        return Batch(
            {host: machines.lab_host() for host in target.hosts if host not in away},
            {host: NfvcapError("NFV-SSH-001", f"cannot reach {host}", exit_code=ExitCode.UNREACHABLE) for host in away},
        )

    def never(*_: Any, **__: Any) -> Outcome:
        raise AssertionError("a playbook was run")

    monkeypatch.setattr(facts_reader, "collect", collect)
    monkeypatch.setattr(room, "run_playbooks", never)


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nfvcap:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NFVCAP_INVENTORY", raising=False)

    def call(*argv: str, answers: str = "") -> Result:
        return CliRunner().invoke(cli, [*argv], input=answers, standalone_mode=False)

    return call


def code(result: Result) -> int:
    if isinstance(result.exception, NfvcapError):
        return int(result.exception.exit_code)
    assert result.exception is None, result.exception
    return int(result.return_value)


def test_plan_shows_changes_and_says_pending(nfvcap: Nfvcap) -> None:
    result = nfvcap("plan", "host1")
    assert code(result) == ExitCode.CHANGES_PENDING
    assert "host1: " in result.stdout and "huge pages of 2 MiB on node 1" in result.stdout
    assert "inventory: hosts.yml" in result.stderr
    assert "huge pages" not in result.stderr


def test_plan_check_is_one_line_per_host(nfvcap: Nfvcap) -> None:
    result = nfvcap("plan", "host1", "host2", "--check")
    assert code(result) == ExitCode.CHANGES_PENDING
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["host1", "host2"]


def test_plan_as_document_on_standard_output_and_in_a_file(nfvcap: Nfvcap, tmp_path: Path) -> None:
    result = nfvcap("plan", "host1", "--format", "json", "-o", "plan.json")
    assert Plan.from_json(result.stdout).nfvcap_plan["host1"].pending
    assert (tmp_path / "plan.json").read_text() == result.stdout


def test_an_unreachable_host_does_not_hide_the_others(nfvcap: Nfvcap, unreachable: set[str]) -> None:
    unreachable.add("host1")
    result = nfvcap("plan", "host1", "host2")
    assert code(result) == ExitCode.UNREACHABLE
    assert "host2: " in result.stdout and "cannot reach host1" in result.stderr


def test_limit_narrows_the_selection(nfvcap: Nfvcap) -> None:
    assert nfvcap("plan", "all", "--limit", "host2", "--check").stdout.startswith("host2:")
    assert code(nfvcap("plan", "host1", "--limit", "host2")) == ExitCode.USAGE


def test_a_mistake_in_the_inventory_is_found_before_any_contact(
    nfvcap: Nfvcap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY.replace("vfs: 2", "vsf: 2"))
    monkeypatch.setattr(facts_reader, "collect", None)
    result = nfvcap("plan", "host1")
    assert code(result) == ExitCode.USAGE
    assert "hosts.yml:7" in str(result.exception) and "vfs" in str(result.exception)


def test_status_marks_drift_and_shows_hosts_of_which_nothing_is_wanted(nfvcap: Nfvcap) -> None:
    result = nfvcap("status")
    assert code(result) == ExitCode.CHANGES_PENDING
    assert "✗ huge pages of 2 MiB on node 1: 0 → 16" in result.stdout
    assert "host3  Debian" in result.stdout
    assert code(nfvcap("status", "host3")) == ExitCode.OK


def test_status_as_json_has_facts_and_drift(nfvcap: Nfvcap) -> None:
    document = json.loads(nfvcap("status", "--format", "json").stdout)
    assert document["schema"] == "nfvcap/status/1"
    assert document["hosts"]["host1"]["drift"] and document["hosts"]["host3"]["drift"] is None
    assert Facts.model_validate(document["hosts"]["host3"]["facts"]).hostname == "host1"


def test_doctor_looks_at_controller_and_hosts(nfvcap: Nfvcap, unreachable: set[str]) -> None:
    result = nfvcap("doctor", "host3")
    assert "this controller" in result.stdout and "NUMA node of an SR-IOV port" in result.stdout
    unreachable.add("host3")
    assert code(nfvcap("doctor", "host3")) == ExitCode.UNREACHABLE


def test_without_a_terminal_and_without_yes_nothing_is_changed(nfvcap: Nfvcap) -> None:
    for verb in ("provision",):
        result = nfvcap(verb, "host1")
        assert code(result) == ExitCode.USAGE
        assert isinstance(result.exception, NfvcapError) and result.exception.code == "NFV-CLI-003"
        assert "--yes" in result.exception.fix


def test_a_no_at_the_question_changes_nothing(nfvcap: Nfvcap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "interactive", lambda: True)
    result = nfvcap("provision", "host1", answers="n\n")
    assert code(result) == ExitCode.CHANGES_PENDING
    assert "not applied" in result.stdout


def test_a_dry_run_lists_what_the_modules_report(nfvcap: Nfvcap, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def preview(names: list[str], target: Target, **options: Any) -> Outcome:
        calls.append({"names": names, **options})
        ended = TaskEnded("host1", "hugepages", "Reserve huge pages", "nfvcap_hugepages", Status.CHANGED, False, 0.1)
        return Outcome(results=[ended])

    monkeypatch.setattr(room, "run_playbooks", preview)
    result = nfvcap("provision", "host1", "--dry-run")
    assert code(result) == ExitCode.CHANGES_PENDING
    assert "hugepages: Reserve huge pages" in result.stderr
    assert calls[0]["check"] is True and calls[0]["names"] == ["provision"]
    assert calls[0]["variables"]["nfvcap_stages"] == ["boot", "runtime"]


def test_deprovision_of_an_untouched_host_does_nothing(nfvcap: Nfvcap) -> None:
    result = nfvcap("deprovision", "host1")
    assert code(result) == ExitCode.OK
    assert "nothing to change" in result.stdout


def test_a_plan_that_cannot_be_written_is_said_before_anything_connects(nfvcap: Nfvcap, tmp_path: Path) -> None:
    missing = nfvcap("plan", "host1", "-o", str(tmp_path / "none" / "plan.json"))
    assert isinstance(missing.exception, NfvcapError)
    assert (missing.exception.code, missing.exception.exit_code) == ("NFV-CLI-006", ExitCode.USAGE)
    assert missing.stdout == ""
    folder = nfvcap("plan", "host1", "-o", "/proc/version")
    assert isinstance(folder.exception, NfvcapError)
    assert folder.exception.code == "NFV-CLI-006"
