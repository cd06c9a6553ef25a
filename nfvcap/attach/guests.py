# SPDX-License-Identifier: Apache-2.0
"""Guests of a host: found by name, where they are, and which devices they have or are promised."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Guest
from nfvcap.model.plan import HostPlan


def find_guest(name: str, facts: Facts, host: str) -> Guest:
    """The guest of this name.

    Raises:
        UsageError: NFV-ATTACH-001.
    """
    for guest in facts.guests:
        if guest.name == name:
            return guest
    raise unknown(name, {host: facts})


def host_of(name: str, facts: Mapping[str, Facts]) -> str:
    """The one host that has the guest.

    Raises:
        UsageError: NFV-ATTACH-001 none has, NFV-ATTACH-023 several have.
    """
    having = [host for host, known in facts.items() if any(guest.name == name for guest in known.guests)]
    if not having:
        raise unknown(name, facts)
    if len(having) > 1:
        raise UsageError(
            "NFV-ATTACH-023", f"there is a guest {name} on {' and on '.join(having)}", "", "say which host with --host"
        )
    return having[0]


def unknown(name: str, facts: Mapping[str, Facts]) -> UsageError:
    """The refusal of a name that no guest has."""
    names = [guest.name for known in facts.values() for guest in known.guests]
    have = "; ".join(
        f"{host}: {', '.join(guest.name for guest in known.guests) or 'no guests'}" for host, known in facts.items()
    )
    near = difflib.get_close_matches(name, names, n=1)
    return UsageError(
        "NFV-ATTACH-001", f"there is no guest {name}", have,
        f"did you mean {near[0]}?" if near else "create and define it first; libvirt does not know it",
    )  # fmt: skip


def guest_node(guest: Guest, facts: Facts, plan: HostPlan | None) -> int | None:
    """The NUMA node that a guest lives on: where its memory is bound to, else its vCPUs, else where it is planned."""
    if len(guest.memory_nodes) == 1:
        return guest.memory_nodes[0]
    node_of = {cpu.id: cpu.node for cpu in facts.cpu.cpus}
    nodes = {node_of[cpu] for pins in guest.vcpu_pins.values() for cpu in pins if cpu in node_of}
    if len(nodes) == 1:
        return nodes.pop()
    planned = [placed.node for placed in plan.placement if placed.name == guest.name] if plan else []
    return planned[0] if planned else None


def promised(facts: Facts) -> dict[str, str]:
    """PCI address → guest that has the device, or is to have it at its next start."""
    return {address: guest.name for guest in facts.guests for address in guest.hostdevs}


def attached(facts: Facts) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Attachments in the host's ledger by port and index, whatever their state."""
    entries: Mapping[str, Mapping[str, Any]] = (facts.ledger or {}).get("entries", {})
    found = [entry for entry in entries.values() if entry.get("kind") == "attach"]
    return {(str(entry["pf"]), int(entry["index"])): entry for entry in found}
