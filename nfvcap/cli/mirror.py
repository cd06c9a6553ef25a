# SPDX-License-Identifier: Apache-2.0
"""``nfvcap mirror``: copies of guests' frames for a monitor, made, shown, tried out and taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.cli.guest_host import find_place, host_options, operator
from nfvcap.cli.mirror_isolation import mirror_isolation
from nfvcap.cli.mirror_try import mirror_test
from nfvcap.cli.options import fleet_options, format_option, hosts_argument
from nfvcap.cli.output import emit, say
from nfvcap.errors import ExitCode, UsageError, worst

SCHEMA = "nfvcap/mirror/1"
_DIRECTION = click.option(
    "--direction", type=click.Choice(["in", "out", "both"]), default=None,
    help="Seen from the watched guest: what it receives, what it sends. Else as far as the card can.",
)  # fmt: skip


@click.group()
def mirror() -> None:
    """Copy frames of guests to a monitor, whose guests run on unchanged.

    GUEST is a guest with a VF, a VF such as ens1f0:vf2, or an interface such as dev:vnet0.
    """


@mirror.command()
@click.argument("monitor")
@click.argument("sources", default="all", metavar="[all|uplink|GUEST,...]")
@host_options
@_DIRECTION
@click.option(
    "--for", "duration", default="", metavar="TIME", help="Remove it by itself after 30m, 2h, 1d; else never."
)
@click.option("--backend", default="", metavar="NAME", help="Only this mechanism; else the first that can.")
@click.option(
    "--allow-promisc", is_flag=True, help="Allow a trusted promiscuous VF, which sees every guest of its port."
)
@click.option("--dry-run", is_flag=True, help="Say exactly what would be copied and what not; change nothing.")
@format_option("text", "json")
def add(
    *, monitor: str, sources: str, host: str, inventory: tuple[Path, ...], direction: str | None, duration: str,
    backend: str, allow_promisc: bool, dry_run: bool, fmt: str,
) -> int:  # fmt: skip
    """Give MONITOR copies of what SOURCES receive or send (default: all that crosses its port).

    The host's cards are asked what they can do, and what will be copied is shown before it is done; what none does is
    refused with the reasons.
    """
    from nfvcap.apply.mirror import apply
    from nfvcap.cli import mirror_view
    from nfvcap.cli.mirror_offer import foretell, tell
    from nfvcap.mirror.duration import seconds
    from nfvcap.mirror.request import resolve
    from nfvcap.mirror.watched import has_vf

    for_s = seconds(duration)
    place = find_place("mirror", monitor, host, inventory, also=has_vf(monitor))
    resolved = resolve(monitor, sources, place.facts)
    request = {
        "state": "present", **resolved.as_variables(), "direction": direction or "", "backend": backend,
        "may_registers": place.intent is not None and place.intent.mirror.registers,
        "may_promisc": allow_promisc or (place.intent is not None and place.intent.mirror.promisc),
        "who": operator(), "for_s": for_s,
    }  # fmt: skip
    title, said = f"{place.host}: {resolved.words()}", None
    if fmt == "text" and not dry_run:
        said = tell(emit, title, foretell(place.target, lambda: apply(place.target, request, check=True)), place.host)
    outcome = apply(place.target, request, check=dry_run)
    if place.host in outcome.failures:
        raise outcome.failures[place.host]
    found, rule = outcome.data(place.host, "offer"), outcome.data(place.host, "rule")
    refusals = outcome.data(place.host, "refusals") or []
    if fmt == "json":
        emit(
            json.dumps(
                {"schema": SCHEMA, "host": place.host, "offer": found, "rule": rule, "refusals": refusals}, indent=2
            )
        )
        return int(ExitCode.CHANGES_PENDING if dry_run and found else ExitCode.OK)
    if not tell(emit, title, outcome, place.host, said):
        emit(f"{place.host}: {mirror_view.copies(rule)} stands already as rule {rule['rule_id']}")
    if dry_run:
        say("nothing was changed")
        return int(ExitCode.CHANGES_PENDING if found else ExitCode.OK)
    end = f"until {rule['until']}" if rule["until"] else f"until nfvcap mirror remove {rule['rule_id']}"
    say(f"rule {rule['rule_id']} stands, {end}")
    return int(ExitCode.OK)


@mirror.command()
@click.argument("what", nargs=-1, metavar="[RULE|MONITOR]...")
@fleet_options
@click.option("--host", default="", metavar="HOST", help="Host that has the rules; default: every host.")
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; change nothing.")
def remove(
    *, what: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, host: str, every: bool, dry_run: bool
) -> int:
    """Take rules away: by their ids (m1), or all of a monitor (vm3); no id that is unknown is passed over."""
    from nfvcap.apply.mirror import apply
    from nfvcap.cli.fleet import open_fleet
    from nfvcap.mirror.chosen import chosen

    if bool(what) == every:
        raise UsageError("NFV-MIRROR-023", "say which rules", "", "name rules or monitors, or --all")
    fleet = open_fleet("mirror", (host or "all",), inventory, limit, forks, intents="none")
    listed = apply(fleet.target, {"state": "list"})
    known = {one: listed.data(one, "rules") or [] for one in fleet.hosts if one not in listed.failures}
    todo = chosen(what, known)
    errors = list(listed.failures.values())
    for one, ids in todo.items():
        target = replace(fleet.target, hosts=(one,))
        done = apply(target, {"state": "absent", "rules": ids, "who": operator()}, check=dry_run)
        if one in done.failures:
            errors.append(done.failures[one])
        else:
            emit(f"{one}: {', '.join(ids)} {'would be removed' if dry_run else 'removed'}")
    if not todo and not errors:
        emit("there are no mirror rules")
    for error in errors:
        say(f"\n{error}")
    pending = [ExitCode.CHANGES_PENDING] if dry_run and todo else []
    return int(worst(*pending, *(error.exit_code for error in errors)))


@mirror.command("list")
@hosts_argument(required=False)
@fleet_options
@format_option("text", "json")
def list_rules(*, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, fmt: str) -> int:
    """Show the rules of HOSTs (default: all), whether they stand, what was repaired. Exit code 4 if one lacks."""
    from nfvcap.apply.mirror import apply
    from nfvcap.cli import mirror_view
    from nfvcap.cli.fleet import open_fleet

    fleet = open_fleet("mirror", hosts or ("all",), inventory, limit, forks, intents="none")
    outcome = apply(fleet.target, {"state": "list"})
    known: dict[str, dict[str, Any]] = {
        host: {"rules": outcome.data(host, "rules") or [], "keeper": outcome.data(host, "keeper") or {}}
        for host in fleet.hosts
        if host not in outcome.failures
    }
    if fmt == "json":
        emit(json.dumps({"schema": SCHEMA, "hosts": known}, indent=2))
    else:
        for host, found in known.items():
            for line in mirror_view.rules(host, found["rules"], found["keeper"]):
                emit(line)
    for error in outcome.failures.values():
        say(f"\n{error}")
    lacking = [ExitCode.CHECK_FAILED for found in known.values() for rule in found["rules"] if rule["lacking"]]
    return int(worst(*lacking, *(error.exit_code for error in outcome.failures.values())))


mirror.add_command(mirror_test)
mirror.add_command(mirror_isolation)
