# SPDX-License-Identifier: Apache-2.0
"""Guests as text: what changed, and a table of what they are, have and see."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nfvcap.cli.output import paint
from nfvcap.cli.table import columns
from nfvcap.errors import ExitCode, NfvcapError

Guests = Sequence[Mapping[str, Any]]


def table(found: Mapping[str, Guests], planned: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line per guest and VF; a guest of the inventory that does not exist yet is ``not created``."""
    rows: list[tuple[str, ...]] = [("HOST", "GUEST", "STATE", "MADE BY", "VF", "IN THE GUEST", "INTERFACE")]
    for host, guests in found.items():
        for guest in guests:
            rows += _rows(host, guest)
        there = {guest["name"] for guest in guests}
        rows += [(host, name, "not created", "", "", "", "") for name in planned.get(host, ()) if name not in there]
    if len(rows) > 1:
        yield from columns(rows, wide=6)


def _rows(host: str, guest: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    head = (host, guest["name"], _state(guest), "nfvcap" if guest["ours"] else "others")
    if not guest["vfs"]:
        yield (*head, "", "", _others(guest))
    for number, vf in enumerate(guest["vfs"]):
        lead = head if number == 0 else ("", "", "", "")
        yield (*lead, vf["address"], vf["guest_address"] or "?", vf["interface"] or "")


def _state(guest: Mapping[str, Any]) -> str:
    if guest["state"] == "running" and guest["agent"] is False:
        return "running, its agent is silent"
    return str(guest["state"])


def _others(guest: Mapping[str, Any]) -> str:
    return ", ".join(interface["name"] for interface in guest["interfaces"])


def changes(host: str, made: Sequence[Mapping[str, Any]], dry_run: bool) -> Iterator[str]:
    """What was, or would be, changed; a changed definition as a diff."""
    if not made:
        yield f"{host}: nothing to change"
    for change in made:
        what = "would change" if dry_run else "changed"
        before, after = change["before"], change["after"]
        if not _is_definition(before) and not _is_definition(after):
            yield f"{host}: {what} {change['id']}: {before or 'nothing'} → {after or 'nothing'}"
            continue
        verb = "defined" if before is None else "removed" if after is None else "defined anew"
        yield f"{host}: {what} {change['id']}: {verb}"
        if before is not None and after is not None:
            lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=1)
            yield from (paint(f"    {line}", "dim") for line in lines)


def _is_definition(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("<")


def no_answer(guest: str, host: str, wait_s: float) -> NfvcapError:
    """The guest runs, and its agent did not answer in time: whether it is well is not known."""
    return NfvcapError(
        "NFV-GUEST-013",
        f"guest {guest} runs, and its agent has not answered within {wait_s:g} s",
        "it may still be booting, or has no qemu-guest-agent",
        f"look at its console on {host}: virsh console {guest}; a longer --wait; --wait 0 for guests without an agent",
        ExitCode.INCONCLUSIVE,
    )
