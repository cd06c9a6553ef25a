# SPDX-License-Identifier: Apache-2.0
"""``nfvcap status``: what hosts are like now, and where that differs from what is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply import guest as guests
from nfvcap.apply.plans import plan_all
from nfvcap.cli import status_view
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.options import fleet_options, format_option, hosts_argument
from nfvcap.cli.output import emit, paint, plural, say
from nfvcap.errors import ExitCode, worst
from nfvcap.model.facts import Facts

SCHEMA = "nfvcap/status/1"


@click.command()
@hosts_argument(required=False)
@fleet_options
@format_option("tree", "json")
def status(*, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, fmt: str) -> int:
    """Show NUMA nodes, ports, VFs and guests of HOSTs (default: all) with drift marked. Exit code 3 on drift."""
    fleet = open_fleet("status", hosts or ("all",), inventory, limit, forks, intents="those that have one")
    known = facts_reader.collect(fleet.target)
    plans = plan_all(fleet.intents, known.values)
    seen = _guests(fleet, known.values)
    if fmt == "json":
        document = {
            host: {
                "facts": facts.model_dump(mode="json", by_alias=True),
                "drift": [change.model_dump(mode="json") for change in plans.values[host].changes]
                if host in plans.values else None,
                "guests": seen.get(host, []),
            }
            for host, facts in known.values.items()
        }  # fmt: skip
        emit(json.dumps({"schema": SCHEMA, "hosts": document}, indent=2))
    else:
        trees = (
            status_view.tree(host, facts, plans.values.get(host), seen.get(host, ()))
            for host, facts in known.values.items()
        )
        emit("\n\n".join("\n".join(status_view.lines(tree)) for tree in trees))
    errors = {**known.failures, **plans.failures}
    for error in errors.values():
        say(f"\n{error}")
    drifted = {host: plan for host, plan in plans.values.items() if plan.pending}
    for host, plan in drifted.items():
        say(paint(f"\n{host}: {plural(len(plan.changes), 'difference')} from what is wanted; "
                  f"see nfvcap plan {host}", "drift"))  # fmt: skip
    return int(worst(*[ExitCode.CHANGES_PENDING] * bool(drifted), *(error.exit_code for error in errors.values())))


def _guests(fleet: Fleet, known: Mapping[str, Facts]) -> dict[str, list[dict[str, Any]]]:
    """What running guests with devices of the host see, by host. Whoever cannot be asked does not spoil the rest."""
    busy = tuple(
        host
        for host, facts in known.items()
        if any(guest.state == "running" and guest.hostdevs for guest in facts.guests)
    )
    if not busy:
        return {}
    outcome = guests.look(replace(fleet.target, hosts=busy))
    for error in outcome.failures.values():
        say(f"what its guests see is not known: {error}")
    return {host: guests.seen(outcome, host) for host in busy if host not in outcome.failures}
