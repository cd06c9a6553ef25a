# SPDX-License-Identifier: Apache-2.0
"""``nfvcap provision``: plan, ask, apply, reboot by consent, verify."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from nfvcap.apply.provision import Consent, Provisioning, Stage
from nfvcap.apply.reboot import Policy, consenting
from nfvcap.apply.room import AnsibleRoom
from nfvcap.cli import outcome_view, plan_view
from nfvcap.cli.checks import checker
from nfvcap.cli.consent import may_change, may_reboot
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.options import consent_options, fleet_options, hosts_argument
from nfvcap.cli.output import emit, paint, plural, say
from nfvcap.cli.progress import Progress
from nfvcap.model.facts import Facts
from nfvcap.model.plan import HostPlan


@click.command()
@hosts_argument()
@fleet_options
@consent_options
@click.option("--dry-run", is_flag=True, help="Show the plan and run all modules in check mode; change nothing.")
def provision(
    *,
    hosts: tuple[str, ...],
    inventory: tuple[Path, ...],
    limit: str,
    forks: int,
    yes: bool,
    reboot: str,
    dry_run: bool,
) -> int:
    """Make HOSTs ready to hand out VFs: plan, ask, apply, reboot by consent, verify."""
    fleet = open_fleet("provision", hosts, inventory, limit, forks)
    return _Command(fleet, yes, Policy(reboot), dry_run).go()


class _Command:
    def __init__(self, fleet: Fleet, yes: bool, policy: Policy, dry_run: bool) -> None:
        self.fleet, self.yes, self.policy, self.dry_run = fleet, yes, policy, dry_run
        self.progress = Progress(fleet.hosts)
        self.room = AnsibleRoom(fleet.target, fleet.intents, self.consent, checker(fleet), self.progress.event)

    def go(self) -> int:
        run = Provisioning(self.fleet.hosts, self.room, self.progress.stage, self.progress.end)
        with self.progress:
            code = run.go()
        say()
        for line in outcome_view.render(run.runs.values()):
            emit(line)
        took = "  ".join(f"{stage} {run.duration_s[stage]:.1f} s" for stage in Stage if stage in run.duration_s)
        say(paint(f"\ntook {took}; logs: {self.fleet.target.run_dir.path}", "dim"))
        return int(code)

    def consent(self, plans: Mapping[str, HostPlan], facts: Mapping[str, Facts]) -> Consent:
        self.progress.pause()
        for host, plan in plans.items():
            say("\n".join(["", *plan_view.render(plan, facts[host], why=False)]))
        if self.dry_run:
            self._preview(plans)
            return Consent(apply=False)
        changes = sum(len(plan.changes) for plan in plans.values())
        say()
        if not may_change(f"Apply {plural(changes, 'change')} to {', '.join(plans)}?", self.yes):
            return Consent(apply=False)
        allowed = consenting(self.policy, plans, lambda needy: may_reboot(needy, facts))
        self.progress.resume()
        return Consent(True, allowed)

    def _preview(self, plans: Mapping[str, HostPlan]) -> None:
        say("\nWhat the modules report in check mode:")
        outcome = self.room.preview(plans)
        for host in plans:
            for result in outcome.changed(host):
                say(f"  {host}  {result.role}: {result.name}{_ids(result.data.get('nfvcap_changes'))}")
            if host in outcome.failures:
                say(str(outcome.failures[host]))


def _ids(changes: Any) -> str:
    return f" ({', '.join(str(change['id']) for change in changes)})" if changes else ""
