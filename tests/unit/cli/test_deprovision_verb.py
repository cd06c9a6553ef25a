# SPDX-License-Identifier: Apache-2.0
"""deprovision with the ledger of the recorded lab server: what it shows, asks, notes, reads back, and how it exits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nfvcap.apply import deprovision as restoring
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.apply.events import Status, TaskBegins, TaskEnded
from nfvcap.cli import consent
from nfvcap.errors import ExitCode
from nfvcap.model.facts import Facts
from tests.fixtures import tree
from tests.unit.cli.playbooks import Nfvcap, Playbooks, code, command_line

INVENTORY = "all: {hosts: {host1: {}, host2: {}}}\n"
NOTE = "/etc/nfvcap stays: there are files of others in it"


class Hosts(Playbooks):
    """Provisioned hosts that can be restored and rebooted; a test says what goes wrong with them.

    Attributes:
        stubborn: hosts that boot with their old arguments again.
        quiet: hosts that are not read back after their reboot.
        boots: the hosts that were rebooted, in order.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        machine = tree.host("lab-provisioned", folder)
        self.now = {"host1": machine.facts(), "host2": machine.facts()}
        for host in self.now:
            entry = self.entry(host)
            self._change(host, running=" ".join([entry["before"]["configured"], *entry["added"]]))
        self.stubborn: set[str] = set()
        self.quiet: set[str] = set()
        self.boots: list[str] = []

    def entry(self, host: str) -> dict[str, Any]:
        """What the ledger knows about the kernel arguments."""
        ledger = self.now[host].ledger
        assert ledger is not None
        found: dict[str, Any] = ledger["entries"]["kernel-args"]
        return found

    def _change(self, host: str, running: str | None = None, **fields: Any) -> None:
        facts = self.now[host]
        line = facts.cmdline if running is None else facts.cmdline.model_copy(update={"running": running})
        self.now[host] = facts.model_copy(update={"cmdline": line, **fields})

    def facts(self, host: str) -> Facts:
        return self.now[host]

    def run(self, names: list[str], target: Target, **options: Any) -> Outcome:
        for host in target.hosts:
            for name in names:
                action = {"deprovision": "nfvcap_restore_state", "facts": "nfvcap_facts"}.get(name, name)
                options["on_event"](TaskBegins(host, "", name, action))
                notes = {"nfvcap_notes": [NOTE]} if name == "deprovision" else {}
                options["on_event"](TaskEnded(host, "", name, action, Status.CHANGED, False, 0.1, notes))
        return super().run(names, target, **options)

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if "deprovision" in run["names"]:
            keep = not run["variables"]["nfvcap_remove_packages"]
            data = {"reboot_required": True, "left_packages": ["ovmf"] if keep else []}
            self.original = self.entry(host)["before"]["configured"]
            self._change(host, ledger=None)
        if "reboot" in run["names"]:
            self.boots.append(host)
            if host not in self.stubborn:
                self._change(host, running=self.original)
            if host in self.quiet:
                return data
        if "facts" in run["names"]:
            data["nfvcap_facts"] = self.now[host].model_dump(mode="json", by_alias=True)
        return data


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts(tmp_path / "machine")
    made.stand_in(monkeypatch, restoring)
    return made


@pytest.fixture
def nfvcap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fleet: Hosts) -> Nfvcap:
    return command_line(tmp_path, monkeypatch, INVENTORY, "deprovision")


def test_what_is_restored_is_listed_the_last_change_first_and_then_rebooted_away(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("host1", "--yes", "--reboot", "auto")
    assert result.return_value == ExitCode.OK, result.exception
    listed = [line.split()[0] for line in result.stderr.splitlines() if " back to: " in line]
    assert listed[-1] == "kernel-args" and len(listed) > 10
    assert f"{len(listed)} changes restored, rebooted once" in result.stdout
    assert fleet.boots == ["host1"] and [run["names"] for run in fleet.runs] == [
        ["deprovision", "facts"], ["reboot", "facts"],
    ]  # fmt: skip
    stages = [line.split()[1] for line in result.stderr.splitlines() if line.endswith(" s") or line.endswith("…")]
    assert stages == ["facts", "restore", "facts", "reboot", "facts"]
    assert "@" in fleet.runs[0]["variables"]["nfvcap_who"]


def test_notes_of_the_host_and_packages_that_stay_are_told(nfvcap: Nfvcap) -> None:
    said = nfvcap("host1", "--yes", "--reboot", "auto").stderr
    assert f"note: {NOTE}" in said and "host1: packages that came by nfvcap stay: ovmf" in said


def test_packages_are_removed_when_asked(nfvcap: Nfvcap, fleet: Hosts) -> None:
    said = nfvcap("host1", "--yes", "--reboot", "auto", "--remove-packages").stderr
    assert fleet.runs[0]["variables"]["nfvcap_remove_packages"] is True and "packages that came" not in said


def test_without_consent_to_the_reboot_the_old_arguments_are_said_to_run_on(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("host1", "--yes", "--reboot", "never")
    assert result.return_value == ExitCode.REBOOT_REQUIRED
    assert "NFV-BOOT-106" in result.stdout and not fleet.boots
    assert fleet.now["host1"].ledger is None


def test_where_nobody_can_be_asked_there_is_no_reboot(nfvcap: Nfvcap, fleet: Hosts) -> None:
    result = nfvcap("host1", "--yes")
    assert result.return_value == ExitCode.REBOOT_REQUIRED and not fleet.boots
    assert "not rebooting host1: nobody can be asked" in result.stderr


def test_a_no_changes_nothing_and_leaves_it_pending(
    nfvcap: Nfvcap, fleet: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent, "interactive", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_args, **_options: False)
    result = nfvcap("host1")
    assert result.return_value == ExitCode.CHANGES_PENDING and "not restored" in result.stdout
    assert not fleet.runs and fleet.now["host1"].ledger is not None


def test_without_a_terminal_and_without_yes_nothing_is_changed(nfvcap: Nfvcap, fleet: Hosts) -> None:
    assert code(nfvcap("host1")) == "NFV-CLI-003" and not fleet.runs


def test_arguments_that_still_run_after_the_reboot_are_named_and_never_loop(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.stubborn.add("host1")
    result = nfvcap("host1", "host2", "--yes", "--reboot", "auto")
    assert result.return_value == ExitCode.CHECK_FAILED
    assert fleet.boots == ["host1", "host2"]
    assert "NFV-BOOT-107" in result.stdout
    assert "intel_iommu=on iommu=pt hugepagesz=1G hugepages=0:1 isolcpus=managed_irq,domain,4-5" in result.stdout
    assert "quiet" not in result.stdout.partition("NFV-BOOT-107")[2].partition("running command line")[0]
    (other,) = [line for line in result.stdout.splitlines() if line.startswith("host2")]
    assert "ok" in other and "rebooted once" in other


def test_what_was_the_users_before_may_run_on(nfvcap: Nfvcap, fleet: Hosts) -> None:
    entry = fleet.entry("host1")
    entry["before"]["configured"] += " iommu=pt"
    assert nfvcap("host1", "--yes", "--reboot", "auto").return_value == ExitCode.OK
    assert "iommu=pt" in fleet.now["host1"].cmdline.running


def test_a_host_that_is_not_read_back_is_not_taken_for_restored(nfvcap: Nfvcap, fleet: Hosts) -> None:
    fleet.quiet.add("host1")
    result = nfvcap("host1", "host2", "--yes", "--reboot", "auto")
    assert result.return_value == ExitCode.INTERNAL and "NFV-RUN-010" in result.stdout
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("host2")] == ["ok"]
