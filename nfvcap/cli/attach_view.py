# SPDX-License-Identifier: Apache-2.0
"""An attachment for people: what it will be and why, and what it has become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nfvcap.cli.output import paint, plural
from nfvcap.cli.plan_view import shown
from nfvcap.cli.table import columns
from nfvcap.model.attach import Attachment


def proposal(host: str, attachment: Attachment) -> list[str]:
    """What will be done, and why so."""
    port = f"{attachment.pf} ({attachment.pf_name})" if attachment.pf_name else attachment.pf
    head = f"{host}: VF {attachment.index} of {port}, {attachment.address}, for guest {attachment.guest}"
    lines = [paint(head, "head")]
    rows = [(step.title, f"{shown(step.before)} → {shown(step.after)}", step.reason) for step in attachment.steps]
    lines += columns(rows, wide=2, indent="  ", paint=lambda _row, at, text: paint(text, "dim") if at == 2 else text)
    lines += [paint(f"  {reason.subject}: {reason.text}", "dim") for reason in attachment.reasons]
    lines += [f"  {paint('!', 'WARN')} {warning}" for warning in attachment.warnings]
    return lines


def attached(host: str, result: Mapping[str, Any]) -> list[str]:
    """What the guest has now."""
    guest = result["guest"]["name"]
    lines = [f"{guest} on {host} has VF {result['index']} of {result['pf']} ({result['address']}), MAC {result['mac']}"]
    if not result["live"]:
        return [*lines, "  from its next start on"]
    sight = result.get("sight")
    bus = result.get("guest_bus_address")
    if sight:
        at = sight.get("address") or bus
        lines.append(
            f"  in the guest: {sight['name']}" + (f" at {at}" if at else "") + f", told by its {sight['channel']}"
        )
    else:
        lines.append(f"  in the guest: not confirmed by it; libvirt has it at {bus}")
    if not result["config"]:
        lines.append("  until the guest stops: it is not in its definition")
    return lines


def detached(host: str, result: Mapping[str, Any], changes: int) -> list[str]:
    """What is free again."""
    return [
        f"VF {result['index']} of {result['pf']} ({result['address']}) is free:"
        f" taken from {result['guest']['name']} on {host}, {plural(changes, 'change')} undone and read back"
    ]
