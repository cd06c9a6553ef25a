# SPDX-License-Identifier: Apache-2.0
"""Which host has a guest: named with ``--host``, or the one whose libvirt knows it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Target
from nfvcap.apply.plans import plan_all
from nfvcap.attach.guests import host_of, unknown
from nfvcap.cli.fleet import open_fleet
from nfvcap.cli.options import F, inventory_option
from nfvcap.cli.output import say
from nfvcap.inventory import Inventory
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan


def host_options(function: F) -> F:
    """``--host`` and ``-i``: for verbs that work on one guest."""
    function = click.option(
        "--host", default="", metavar="HOST", help="Host that runs the guest; else it is looked for in the inventory."
    )(function)
    return inventory_option(function)


@dataclass(frozen=True)
class Place:
    """A host with a guest: how to get there, what it is like, what is wanted of it, its plan (None: not known).

    Args:
        loaded: the whole inventory.
    """

    host: str
    target: Target
    facts: Facts
    intent: Intent | None
    plan: HostPlan | None
    loaded: Inventory


def find_place(
    verb: str, guest: str, host: str, inventory: tuple[Path, ...],
    also: Callable[[Facts], bool] = lambda _facts: False,
) -> Place:  # fmt: skip
    """Read the hosts that may have the guest, and pick the one that has.

    Args:
        also: accepts a host of which libvirt does not know the guest (any more).

    Raises:
        NfvcapError: unknown host, host unreachable; NFV-ATTACH-001, -023.
    """
    fleet = open_fleet(verb, (host or "all",), inventory, "", 10, intents="those that have one")
    naming = [name for name, intent in fleet.intents.items() if guest in intent.guests]
    # A guest of the inventory is where the inventory has it; others can be anywhere.
    hosts = tuple(naming) if len(naming) == 1 else fleet.hosts
    known = facts_reader.collect(replace(fleet.target, hosts=hosts))
    if known.failures and not known.values:
        raise next(iter(known.failures.values()))
    for error in known.failures.values():
        say(str(error))
    having = {
        name: facts
        for name, facts in known.values.items()
        if any(one.name == guest for one in facts.guests) or also(facts)
    }
    if not having:
        raise unknown(guest, known.values)
    found = next(iter(having)) if len(having) == 1 else host_of(guest, having)
    facts = having[found]
    plans = plan_all({name: intent for name, intent in fleet.intents.items() if name == found}, {found: facts})
    for error in plans.failures.values():
        say(f"the inventory does not fit {found}, so its plan for VFs is not known: {error.what}")
    return Place(found, replace(fleet.target, hosts=(found,)), facts, fleet.intents.get(found),
                 plans.values.get(found), fleet.loaded)  # fmt: skip


def operator() -> str:
    """Who does this, for the host's ledger and for others who find it locked."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "?"  # no entry for this user id
    return f"{user}@{socket.gethostname()}"
