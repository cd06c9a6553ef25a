# SPDX-License-Identifier: Apache-2.0
"""``nfvcap deprovision``: back to the recorded original state, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from nfvcap.apply import deprovision as restoring
from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Target
from nfvcap.apply.deprovision import Original, originals
from nfvcap.apply.provision import HostRun, Stage
from nfvcap.apply.reboot import Policy
from nfvcap.cli import outcome_view
from nfvcap.cli.consent import may_change, may_reboot
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.guest_host import operator
from nfvcap.cli.options import consent_options, fleet_options, hosts_argument
from nfvcap.cli.output import emit, paint, plural, say
from nfvcap.cli.plan_view import shown
from nfvcap.cli.progress import Progress
from nfvcap.cli.table import columns
from nfvcap.errors import NfvcapError, worst
from nfvcap.model.facts import Facts

_STAGES = (Stage.FACTS, Stage.RESTORE, Stage.REBOOT)


@click.command()
@hosts_argument()
@fleet_options
@consent_options
@click.option("--remove-packages", is_flag=True, help="Also remove the packages that nfvcap had installed.")
def deprovision(
    *, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, yes: bool, reboot: str,
    remove_packages: bool,
) -> int:  # fmt: skip
    """Bring HOSTs back to their original state, as recorded in their ledgers, and nothing else."""
    fleet = open_fleet("deprovision", hosts, inventory, limit, forks, intents="none")
    return _Command(fleet, yes, Policy(reboot), remove_packages).go()


class _Command:
    def __init__(self, fleet: Fleet, yes: bool, policy: Policy, remove_packages: bool) -> None:
        self.fleet, self.yes, self.policy, self.remove_packages = fleet, yes, policy, remove_packages
        self.progress = Progress(fleet.hosts, _STAGES)
        self.runs = {host: HostRun(host) for host in fleet.hosts}
        self.notes: list[str] = []

    def go(self) -> int:
        with self.progress:
            try:
                self._go()
            except KeyboardInterrupt:
                for run in self.runs.values():
                    run.interrupted = run.error is None
        say()
        for line in outcome_view.render(self.runs.values(), "restored"):
            emit(line)
        for note in self.notes:
            say(note)
        say(paint(f"\nlogs: {self.fleet.target.run_dir.path}", "dim"))
        return int(worst(*(run.code for run in self.runs.values())))

    def _go(self) -> None:
        self.progress.stage(Stage.FACTS, self.fleet.hosts)
        known = facts_reader.collect(self.fleet.target, self.progress.event)
        self._note(Stage.FACTS, known.failures, self.fleet.hosts)
        todo = {host: originals(facts) for host, facts in known.values.items() if originals(facts)}
        if not todo:
            return
        self.progress.pause()
        self._show(todo)
        if not may_change(f"Restore {', '.join(todo)}?", self.yes):
            for host in todo:
                self.runs[host].pending = True
            return
        reboot = self._consent(todo, known.values)
        self.progress.resume()
        self._restore(todo, known.values, reboot)

    def _restore(self, todo: Mapping[str, tuple[Original, ...]], before: Mapping[str, Facts], reboot: bool) -> None:
        for host, entries in todo.items():
            self.runs[host].changes = len(entries)
        self.progress.stage(Stage.RESTORE, tuple(todo))
        target = replace(self.fleet.target, hosts=tuple(todo))
        done = restoring.restore(target, self.remove_packages, self.progress.event, operator())
        self._note(Stage.RESTORE, done.failures, tuple(todo))
        for host, packages in done.left_packages.items():
            self.notes.append(f"{host}: packages that came by nfvcap stay: {' '.join(packages)}")
        wanting = done.wanting
        if wanting and reboot:
            self._reboot(target, wanting, before)
        elif wanting:
            self._note(Stage.REBOOT, {host: restoring.still_to_reboot(host) for host in wanting}, wanting)

    def _reboot(self, target: Target, hosts: tuple[str, ...], before: Mapping[str, Facts]) -> None:
        self.progress.stage(Stage.REBOOT, hosts)
        after = restoring.reboot(target, hosts, self.progress.event)
        self._note(Stage.REBOOT, after.failures, hosts)
        for host, facts in after.values.items():
            self.runs[host].rebooted = True
            # A reboot that ended well says nothing about what was booted.
            if error := restoring.did_not_go(host, before[host], facts):
                self._note(Stage.REBOOT, {host: error}, (host,))

    def _consent(self, todo: Mapping[str, tuple[Original, ...]], facts: Mapping[str, Facts]) -> bool:
        needy = tuple(host for host, entries in todo.items() if restoring.touches_boot(entries))
        if self.policy is Policy.ASK and needy:
            return may_reboot(needy, facts)
        return self.policy is Policy.AUTO

    def _note(self, stage: Stage, failures: Mapping[str, NfvcapError], hosts: tuple[str, ...]) -> None:
        for host in hosts:
            self.runs[host].error = failures.get(host)
            self.progress.end(stage, host, failures.get(host))

    def _show(self, todo: Mapping[str, tuple[Original, ...]]) -> None:
        for host, entries in todo.items():
            say(f"\n{paint(host, 'head')}: {plural(len(entries), 'thing')} to restore")
            rows = [(entry.id, f"back to: {shown(entry.before)}", entry.recorded_at) for entry in entries]
            for line in columns(rows, wide=1, indent="  "):
                say(line)
