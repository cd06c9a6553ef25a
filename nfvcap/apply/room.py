# SPDX-License-Identifier: Apache-2.0
"""The room that provisioning happens in: Ansible, the planner and the host checks behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.apply.plans import plan_all, plan_document, roles_with_work
from nfvcap.apply.provision import Batch, Consent, Stage
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan
from nfvcap.model.result import HostResult
from nfvcap.planner.query import FACTS_QUERY

# Packages may have to be downloaded; a server's firmware may take a quarter of an hour to start.
_STAGE_TIMEOUT_S = {Stage.BOOT: 3600.0, Stage.REBOOT: 1500.0, Stage.RUNTIME: 1800.0}
REBOOT_TIMEOUT_S = 1200
_OVERHEAD_S = 120.0

Ask = Callable[[Mapping[str, HostPlan], Mapping[str, Facts]], Consent]
Check = Callable[[Mapping[str, HostPlan]], Batch[HostResult]]


@dataclass(frozen=True)
class AnsibleRoom:
    """Hosts of an inventory with what is wanted of them.

    Args:
        target: inventory, hosts and where to log.
        intents: what is wanted, by host.
        ask: shows plans and asks for consent.
        checker: judges finished hosts.
        on_event: is told what Ansible does.
    """

    target: Target
    intents: Mapping[str, Intent]
    ask: Ask
    checker: Check
    on_event: Callable[[Event], None] = lambda _event: None

    def facts(self, hosts: tuple[str, ...]) -> Batch[Facts]:
        return facts_reader.collect(replace(self.target, hosts=hosts), self.on_event)

    def plan(self, facts: Mapping[str, Facts]) -> Batch[HostPlan]:
        batch = plan_all(self.intents, facts)
        if batch.values:
            document = plan_document(batch.values)
            (self.target.run_dir.path / "plan.json").write_text(document.to_json(), encoding="utf-8")
        return batch

    def consent(self, plans: Mapping[str, HostPlan], facts: Mapping[str, Facts]) -> Consent:
        return self.ask(plans, facts)

    def apply(self, plans: Mapping[str, HostPlan], stages: tuple[Stage, ...]) -> Batch[Facts]:
        outcome = self._run(plans, stages, check=False)
        return facts_reader.decode(outcome, plans)

    def preview(self, plans: Mapping[str, HostPlan]) -> Outcome:
        """Check mode of all stages but the reboot: what would each module change?"""
        return self._run(plans, (Stage.BOOT, Stage.RUNTIME), check=True)

    def check(self, plans: Mapping[str, HostPlan]) -> Batch[HostResult]:
        return self.checker(plans)

    def _run(self, plans: Mapping[str, HostPlan], stages: tuple[Stage, ...], check: bool) -> Outcome:
        names = ["provision", *(["reboot"] if Stage.REBOOT in stages else []), *([] if check else ["facts"])]
        variables: dict[str, Any] = plan_document(plans).model_dump(mode="json", by_alias=True)
        variables |= {
            "nfvcap_stages": [str(stage) for stage in stages if stage is not Stage.REBOOT],
            "nfvcap_roles": {host: roles_with_work(plan) for host, plan in plans.items()},
            "nfvcap_query": FACTS_QUERY,
            "nfvcap_reboot_timeout_s": REBOOT_TIMEOUT_S,
        }
        return run_playbooks(
            names,
            replace(self.target, hosts=tuple(plans)),
            variables=variables,
            timeout_s=_OVERHEAD_S + sum(_STAGE_TIMEOUT_S[stage] for stage in stages),
            check=check,
            on_event=self.on_event,
        )
