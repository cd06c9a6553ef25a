# SPDX-License-Identifier: Apache-2.0
"""Facts of many hosts, read by one Ansible process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.apply.provision import Batch
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.planner.query import FACTS_QUERY

PLAYBOOK = "facts"
KEY = "nfvcap_facts"
_TIMEOUT_S = 300.0


def collect(target: Target, on_event: Callable[[Event], None] = lambda _event: None) -> Batch[Facts]:
    """Read the facts of the target's hosts, with everything that the planner asks for."""
    variables = {"nfvcap_query": FACTS_QUERY}
    outcome = run_playbooks([PLAYBOOK], target, variables=variables, timeout_s=_TIMEOUT_S, on_event=on_event)
    return decode(outcome, target.hosts)


def decode(outcome: Outcome, hosts: Iterable[str]) -> Batch[Facts]:
    """The facts that a run brought; a host whose facts cannot be understood fails with NFV-FACTS-101."""
    values: dict[str, Facts] = {}
    failures = dict(outcome.failures)
    for host in hosts:
        raw = outcome.data(host, KEY)
        if host in failures or raw is None:
            continue
        try:
            values[host] = Facts.model_validate(raw)
        except ValidationError as error:
            failures[host] = NfvcapError(
                "NFV-FACTS-101",
                f"{host}: the facts cannot be understood",
                "; ".join(
                    f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)[:5]
                ),
                "nfvcap and its modules must be of the same version; reinstall nfvcap",
            )
    return Batch(values, failures)
