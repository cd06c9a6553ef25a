# SPDX-License-Identifier: Apache-2.0
"""The hosts that a verb works on: found in the inventory, with what is wanted of them, validated before any contact."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nfvcap.apply.ansible import Target
from nfvcap.apply.rundir import new_run_dir
from nfvcap.cli.output import say
from nfvcap.cli.sources import find
from nfvcap.errors import UsageError
from nfvcap.inventory import Inventory, load
from nfvcap.model.intent import Intent

Wanted = Literal["all", "those that have one", "none"]


@dataclass(frozen=True)
class Fleet:
    """Selected hosts of an inventory.

    Args:
        target: how Ansible gets there, and where it logs.
        intents: what is wanted, by host.
        loaded: the whole inventory.
        options: ``-i …`` as the user gave it, for commands that are proposed.
    """

    target: Target
    intents: Mapping[str, Intent]
    loaded: Inventory
    options: str

    @property
    def variables(self) -> Mapping[str, Mapping[str, Any]]:
        """How the hosts are reached: their ``ansible_*`` variables, templates filled in."""
        return {host: self.loaded.connection(host) for host in self.hosts}

    @property
    def hosts(self) -> tuple[str, ...]:
        return self.target.hosts


def open_fleet(
    verb: str,
    patterns: Sequence[str],
    inventory: Sequence[Path],
    limit: str,
    forks: int,
    *,
    intents: Wanted = "all",
) -> Fleet:
    """Read the inventory, select hosts, validate what is wanted of them.

    Raises:
        UsageError: nothing was contacted; all mistakes in one error.
    """
    sources, origin = find(inventory)
    if not inventory:
        say(f"inventory: {', '.join(map(str, sources))} ({origin})")
    loaded = load(sources)
    hosts = select(loaded, patterns, limit)
    asked = {"all": hosts, "those that have one": [host for host in hosts if host in loaded.configured()], "none": ()}
    return Fleet(
        target=Target(sources, hosts, new_run_dir(verb), forks),
        intents=loaded.intents(asked[intents]),
        loaded=loaded,
        options="".join(f" -i {shlex.quote(str(path))}" for path in inventory),
    )


def select(loaded: Inventory, patterns: Sequence[str], limit: str) -> tuple[str, ...]:
    """Hosts that match any of the patterns and, when given, the limit as well."""
    hosts = loaded.select(patterns)
    if not limit:
        return hosts
    allowed = set(loaded.select([limit]))
    kept = tuple(host for host in hosts if host in allowed)
    if not kept:
        raise UsageError(
            "NFV-CLI-004", f"--limit {limit} leaves no host", f"selected were {', '.join(hosts)}", "widen the limit"
        )
    return kept
