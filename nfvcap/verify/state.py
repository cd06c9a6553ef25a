# SPDX-License-Identifier: Apache-2.0
"""`verify --state-only`: read the hosts, judge each by its plan, and put the verdicts together."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nfvcap import __version__, catalogue
from nfvcap.errors import ExitCode
from nfvcap.model.plan import HostPlan
from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.verify.case import PLAN, Case, recorded_plan
from nfvcap.verify.collect import Ask, Unreachable, Unreadable, collect
from nfvcap.verify.environment import fingerprint
from nfvcap.verify.session import WORDS, judge
from nfvcap.verify.snapshot import CannotJudge, Snapshot

HostVars = Mapping[str, Mapping[str, Any]]


def verify_hosts(
    hosts: Sequence[str],
    inventory: Sequence[Path],
    plans: Mapping[str, HostPlan] | None = None,
    *,
    hostvars: HostVars | None = None,
    forks: int = 10,
    options: str = "",
) -> Result:
    """Judge hosts independently of the code that set them up.

    Args:
        hosts: inventory names.
        inventory: inventory sources, for how to reach the hosts.
        plans: what the hosts shall be, by name; a host without one is judged by the plan recorded on it.
        hostvars: the ``ansible_*`` variables by host, when the caller has them (saves reading the inventory again).
        forks: hosts read at a time.
        options: what follows the host's name in commands that are proposed as fixes, such as `` -i lab.yml``.

    Returns:
        One result per host in the order given; what goes wrong on a host is a verdict of that host, never an
        exception: unreachable (exit code 6), not readable (2), never provisioned (4).
    """
    plans = plans or {}
    if hostvars is None:
        from nfvcap.inventory import load

        source = load(inventory)
        hostvars = {host: source.connection(host) for host in hosts}
    asks = {host: _ask(plan) for host, plan in plans.items()}
    found = collect(hosts, hostvars, inventory, asks, forks)
    results: dict[str, HostResult] = {}
    cases = []
    for host in hosts:
        outcome = _case(host, found[host], plans.get(host), options)
        if isinstance(outcome, HostResult):
            results[host] = outcome
        else:
            cases.append(outcome)
    verdicts = judge(cases) if cases else {}
    for case in cases:
        environment = fingerprint(case.snapshot, case.pci)
        results[case.host] = HostResult(host=case.host, environment=environment, checks=verdicts[case.host])
    return Result(
        nfvcap_version=__version__,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        hosts=tuple(results[host] for host in hosts),
    )


def _ask(plan: HostPlan) -> Ask:
    return Ask(plan.desired.kvm.packages, plan.desired.kvm.services, tuple(plan.files))


def _case(
    host: str, found: Snapshot | Unreachable | Unreadable, plan: HostPlan | None, options: str
) -> Case | HostResult:
    """A host ready to be judged, or the result of one that cannot be."""
    again = f"nfvcap provision {host}{options}"
    plan_wanted = {"wanted": f"a plan in {PLAN}", "fix": again}
    if isinstance(found, Unreachable):
        fix = f"is it up, and is ansible_host right? Try: ansible{options or ' -i INVENTORY'} {host} -m ping -vvv"
        words = {"found": str(found), "wanted": "an answer over ssh", "fix": fix}
        return _unjudged(host, "NFV-STATE-001", words, ExitCode.UNREACHABLE)
    if isinstance(found, Unreadable):
        fix = f"log in to {host} as root or set ansible_become: true, and install python3 there"
        words = {"found": str(found), "wanted": "root and python3", "fix": fix}
        return _unjudged(host, "NFV-STATE-002", words, ExitCode.USAGE)
    try:
        recorded = recorded_plan(found, host)
    except (ValidationError, CannotJudge) as error:
        damage = "of another version, or damaged" if isinstance(error, ValidationError) else str(error)
        if plan is None:
            return _unjudged(host, "NFV-STATE-003", {"found": f"{PLAN}: {damage}", **plan_wanted})
        recorded = None
    plan = plan or recorded
    if plan is None:
        return _unjudged(host, "NFV-STATE-003", {"found": "never provisioned", **plan_wanted})
    return Case(host, plan, found, recorded, options)


def _unjudged(host: str, check_id: str, words: Mapping[str, str], blocked: ExitCode | None = None) -> HostResult:
    """The result of a host that could not be judged: the one check that says why."""
    title = next(entry.title for entry in catalogue.read(WORDS) if entry.id == check_id)
    verdict = Verdict.FAIL if blocked is None else Verdict.ERROR
    check = Check(id=check_id, subject="", title=title, verdict=verdict, **words)
    return HostResult(host=host, environment={}, checks=(check,), blocked=blocked)
