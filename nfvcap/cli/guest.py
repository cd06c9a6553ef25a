# SPDX-License-Identifier: Apache-2.0
"""``nfvcap guest``: the guests that the inventory names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.plans import plan_all
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.options import inventory_option
from nfvcap.cli.output import emit
from nfvcap.guest.domain import domain_xml
from nfvcap.guest.locate import host_of
from nfvcap.model.plan import GuestPlacement

_HOST = click.option("--host", default="", metavar="HOST", help="The guest's host, when several have one of that name.")


@click.group()
def guest() -> None:
    """Guests that the inventory names: created from the plan, used like any other guest of libvirt."""


@guest.command()
@click.argument("name", metavar="GUEST")
@_HOST
@inventory_option
def xml(name: str, host: str, inventory: tuple[Path, ...]) -> None:
    """Print the definition for libvirt that the plan gives GUEST; changes nothing."""
    fleet = open_fleet("guest", [host or "all"], inventory, "", 1, intents="those that have one")
    where = host_of(name, fleet.intents)
    emit(domain_xml(where, _placement(fleet, where, name)).rstrip())


def _placement(fleet: Fleet, host: str, name: str) -> GuestPlacement:
    """The guest's place in a plan made from the host as it is now."""
    target = replace(fleet.target, hosts=(host,))
    known = facts_reader.collect(target)
    plans = plan_all({host: fleet.intents[host]}, known.values)
    for error in (*known.failures.values(), *plans.failures.values()):
        raise error
    return next(guest for guest in plans.values[host].placement if guest.name == name)
