# SPDX-License-Identifier: Apache-2.0
"""Plans of many hosts, and the document that they travel in."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from nfvcap import __version__
from nfvcap.apply.provision import Batch
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan, Plan
from nfvcap.planner.plan import plan_host


def plan_all(intents: Mapping[str, Intent], facts: Mapping[str, Facts]) -> Batch[HostPlan]:
    """Plan each host of which something is wanted; one that cannot be planned does not hide the others."""
    values: dict[str, HostPlan] = {}
    failures: dict[str, NfvcapError] = {}
    for host, intent in intents.items():
        if host not in facts:
            continue
        try:
            values[host] = plan_host(host, intent, facts[host])
        except NfvcapError as error:
            failures[host] = error
    return Batch(values, failures)


def plan_document(plans: Mapping[str, HostPlan]) -> Plan:
    """The document ``nfvcap/plan/1`` that roles and checks read."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Plan(nfvcap_version=__version__, created_at=now, nfvcap_plan=dict(plans))


def roles_with_work(plan: HostPlan) -> list[str]:
    """The roles that this plan gives something to do, for ``nfvcap_roles`` of provision.yml.

    A task costs seconds on a slow host even if it only finds that nothing is to be done, and what needs doing is known.
    """
    roles = dict.fromkeys(change.role for change in plan.changes)
    if "sriov" in roles:
        # VFs that are made anew have no driver of the plan's yet.
        roles["driver_binding"] = None
    return list(roles)
