# SPDX-License-Identifier: Apache-2.0
"""``nfvcap guest``: the guests of hosts, created from the plan, started, stopped, removed, listed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply import guest as guests
from nfvcap.apply.plans import plan_all
from nfvcap.cli import guest_view
from nfvcap.cli.consent import may_change
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.options import F, fleet_options, format_option, hosts_argument, inventory_option, yes_option
from nfvcap.cli.output import emit, say
from nfvcap.errors import ExitCode, worst
from nfvcap.guest.document import defined, document, state
from nfvcap.guest.domain import domain_xml
from nfvcap.guest.locate import host_of
from nfvcap.model.plan import GuestPlacement

SCHEMA = "nfvcap/guest-list/1"


def _guest_options(function: F) -> F:
    function = click.option(
        "--host", default="", metavar="HOST", help="The guest's host; else the one whose inventory names the guest."
    )(function)
    return click.argument("name", metavar="GUEST")(inventory_option(function))


_dry_run = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
_wait = click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=120, show_default=True, metavar="S",
    help="How long to wait until the agent in the guest answers; 0: not at all.",
)  # fmt: skip


@click.group()
def guest() -> None:
    """Guests: created from the plan, started, stopped, removed, listed.

    A guest that somebody else has made with libvirt is started, stopped and listed like ours, and never redefined or
    removed. VFs come and go with attach-vf and detach-vf.
    """


@guest.command()
@_guest_options
@click.option("--start", is_flag=True, help="Start it as well.")
@_wait
@_dry_run
@click.option("--document", "out", type=click.Path(path_type=Path, dir_okay=False),
              help="Write what playbooks/guest.yml takes to this file, and change nothing.")  # fmt: skip
def create(
    *, name: str, host: str, inventory: tuple[Path, ...], start: bool, wait_s: float, dry_run: bool, out: Path | None
) -> int:
    """Define GUEST on its host as the plan has it; one that is there and differs is defined anew."""
    fleet, where = _place(name, host, inventory)
    wanted = [defined(where, _placement(fleet, where, name)), *([state(name, "running")] if start else [])]
    made = document(where, wanted, wait_s if start else 0)
    if out is not None:
        out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        return ExitCode.OK
    return _change(fleet, where, made, dry_run)


@guest.command()
@_guest_options
@_wait
@_dry_run
def start(*, name: str, host: str, inventory: tuple[Path, ...], wait_s: float, dry_run: bool) -> int:
    """Start GUEST and wait until the agent in it answers."""
    fleet, where = _place(name, host, inventory)
    return _change(fleet, where, document(where, [state(name, "running")], wait_s), dry_run)


@guest.command()
@_guest_options
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=60, show_default=True, metavar="S",
              help="How long it may take to shut down.")  # fmt: skip
@click.option("--force", is_flag=True, help="End it then as if its power failed; what it has not written is lost.")
@_dry_run
def stop(*, name: str, host: str, inventory: tuple[Path, ...], timeout_s: float, force: bool, dry_run: bool) -> int:
    """Ask GUEST to shut down and wait until it has."""
    fleet, where = _place(name, host, inventory)
    wanted = state(name, "stopped", timeout_s=timeout_s, force=force)
    return _change(fleet, where, document(where, [wanted]), dry_run)


@guest.command()
@_guest_options
@yes_option
@_dry_run
def destroy(*, name: str, host: str, inventory: tuple[Path, ...], yes: bool, dry_run: bool) -> int:
    """End GUEST and remove it with its disk; only one that nfvcap has made, and that has no VFs any more."""
    fleet, where = _place(name, host, inventory)
    question = f"End guest {name} on {where} and remove it with its disk?"
    if not dry_run and not may_change(question, yes):
        return ExitCode.CHANGES_PENDING
    return _change(fleet, where, document(where, [state(name, "absent")]), dry_run)


@guest.command(name="list")
@hosts_argument(required=False)
@fleet_options
@format_option("table", "json")
def list_(*, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, fmt: str) -> int:
    """List the guests of HOSTs (default: all): state, VFs, and which interface inside each of them is."""
    fleet = open_fleet("guest", hosts or ("all",), inventory, limit, forks, intents="those that have one")
    outcome = guests.look(fleet.target)
    found = {host: guests.seen(outcome, host) for host in fleet.hosts if host not in outcome.failures}
    if fmt == "json":
        emit(json.dumps({"schema": SCHEMA, "hosts": found}, indent=2))
    else:
        planned = {host: tuple(intent.guests) for host, intent in fleet.intents.items()}
        for line in guest_view.table(found, planned):
            emit(line)
    for error in outcome.failures.values():
        say(f"\n{error}")
    return int(worst(*(error.exit_code for error in outcome.failures.values())))


@guest.command()
@_guest_options
def xml(*, name: str, host: str, inventory: tuple[Path, ...]) -> None:
    """Print the definition for libvirt that the plan gives GUEST; changes nothing."""
    fleet, where = _place(name, host, inventory)
    emit(domain_xml(where, _placement(fleet, where, name)).rstrip())


def _place(name: str, host: str, inventory: tuple[Path, ...]) -> tuple[Fleet, str]:
    """The fleet reduced to the guest's host. A guest that the inventory does not name needs ``host``."""
    fleet = open_fleet("guest", [host or "all"], inventory, "", 1, intents="those that have one")
    named = host and len(fleet.hosts) == 1
    where = fleet.hosts[0] if named else host_of(name, fleet.intents)
    return replace(fleet, target=replace(fleet.target, hosts=(where,))), where


def _placement(fleet: Fleet, host: str, name: str) -> GuestPlacement:
    """The guest's place in a plan made from the host as it is now."""
    intents = {host: fleet.intents[host]} if host in fleet.intents else {}
    host_of(name, intents)
    known = facts_reader.collect(fleet.target)
    plans = plan_all(intents, known.values)
    for error in (*known.failures.values(), *plans.failures.values()):
        raise error
    return next(guest for guest in plans.values[host].placement if guest.name == name)


def _change(fleet: Fleet, host: str, wanted: dict[str, Any], dry_run: bool) -> int:
    outcome = guests.change(fleet.target, wanted, check=dry_run)
    for error in outcome.failures.values():
        raise error
    changes = outcome.data(host, "nfvcap_changes") or []
    for line in guest_view.changes(host, changes, dry_run):
        emit(line)
    silent = [one for one in guests.seen(outcome, host) if one["state"] == "running" and one["agent"] is False]
    for line in guest_view.table({host: guests.seen(outcome, host)}, {}) if not dry_run else ():
        emit(line)
    if silent and wanted["nfvcap_guests_wait_s"]:
        raise guest_view.no_answer(silent[0]["name"], host, wanted["nfvcap_guests_wait_s"])
    return ExitCode.CHANGES_PENDING if dry_run and changes else ExitCode.OK
