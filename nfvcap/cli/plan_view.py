# SPDX-License-Identifier: Apache-2.0
"""A plan for people: what changes from what to what, how much it disturbs, and why."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from nfvcap.cli.output import paint, plural
from nfvcap.cli.table import columns, terminal_width
from nfvcap.model.facts import Facts
from nfvcap.model.plan import Change, Disruption, HostPlan
from nfvcap.planner.lasting import DISK, keeper

_LONG = 400
_NOTHING: tuple[Any, ...] = (None, "", [], (), {})


def summary(plan: HostPlan) -> str:
    """One line: ``host1: 7 changes, 1 reboot`` or ``host1: nothing to change``."""
    if not plan.pending:
        return f"{plan.host}: nothing to change"
    reboot = ", 1 reboot" if plan.reboot_needed else ""
    flaps = sum(change.disruption is Disruption.LINK_FLAP for change in plan.changes)
    flap = f", {plural(flaps, 'link flap')}" if flaps else ""
    return f"{plan.host}: {plural(len(plan.changes), 'change')}{reboot}{flap}"


def render(plan: HostPlan, facts: Facts | None, why: bool) -> list[str]:
    """The plan of one host as lines."""
    lines = [paint(summary(plan), "head") + (paint(f"   {_machine(facts)}", "dim") if facts else "")]
    lines += _changes(plan.changes, why)
    lines += [paint(f"  {line}", "dim") for line in _wrapped(_kept(plan))] if plan.pending else []
    lines += [f"  {paint('!', 'WARN')} {line}" for warning in plan.warnings for line in _wrapped(warning)]
    names = {nic.address: f" ({nic.name})" for nic in facts.nics if nic.name} if facts else {}
    lines += [
        f"  {paint('!', 'WARN')} {address}{names.get(address, '')} carries ssh or the default route: not touched"
        for address in plan.protected
    ]
    if why:
        lines += _reasons(plan)
    return lines


def _changes(changes: tuple[Change, ...], why: bool) -> list[str]:
    groups = [(change,) for change in changes] if why else list(_grouped(changes))
    rows = [(sign(group), _title(group), _disruption(group[0]), _what(group)) for group in groups]
    notes = [[paint(f"      {line}", "dim") for line in _wrapped(group[0].reason, 6)] for group in groups]
    return columns(
        rows, wide=3, indent="  ", notes=notes if why else (),
        paint=lambda row, at, text: paint(text, groups[row][0].disruption) if at == 2 else text,
    )  # fmt: skip


def _grouped(changes: tuple[Change, ...]) -> Iterator[tuple[Change, ...]]:
    """Changes of one VF stand in one line; all others stand alone."""
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(vf_of(change.id) or change.id, []).append(change)
    return (tuple(group) for group in groups.values())


def vf_of(change_id: str) -> str:
    """``vf:0000:81:00.0:3`` for a change of this VF, else empty."""
    return change_id.rpartition(":")[0] if change_id.startswith("vf:") else ""


def _title(group: tuple[Change, ...]) -> str:
    if len(group) == 1:
        return group[0].title
    # The titles differ in the attribute's name alone: "VLAN of VF 0 on …", "trust of VF 0 on …".
    return group[0].title.partition(" of ")[2] or group[0].title


def _what(group: tuple[Change, ...]) -> str:
    if len(group) == 1:
        text = difference(group[0])
        words = [word.removeprefix("+") for word in text.split()]
        return "" if all(word in group[0].title for word in words) else text
    return ", ".join(attribute(change) for change in group)


def attribute(change: Change) -> str:
    """``vlan 0 → 100``: a change of a VF without repeating which VF it is."""
    return f"{change.id.rpartition(':')[2].replace('_', ' ')} {difference(change)}"


def _disruption(change: Change) -> str:
    words = {Disruption.NONE: "", Disruption.LINK_FLAP: "link flap", Disruption.REBOOT: "reboot"}
    lasting = "" if change.survives_reboot else " until reboot"
    return (words[change.disruption] + lasting).strip()


def _kept(plan: HostPlan) -> str:
    """Who brings the changes back at each boot; a change that nobody brings back says so in its own line."""
    keepers = [keeper(change, plan.desired, plan.files) for change in plan.changes]
    # What lies on the disk anyway need not be said beside what is done for the rest.
    names = [name for name in dict.fromkeys(keepers) if name not in (None, DISK)] or [DISK] * (DISK in keepers)
    if not names:
        return "nothing of this is kept over a reboot"
    what = "the rest" if None in keepers else "all of this"
    return f"{what} is kept over a reboot by {', '.join(filter(None, names))}"


def _reasons(plan: HostPlan) -> list[str]:
    if not plan.reasons:
        return []
    lines = ["", "  Why it is placed like this:"]
    for reason in plan.reasons:
        lines += textwrap.wrap(
            f"{reason.subject}: {reason.text}", _width(4), initial_indent="    ", subsequent_indent="        "
        )
    return lines


def sign(group: tuple[Change, ...]) -> str:
    """``+`` for what comes, ``-`` for what goes, ``~`` for what changes."""
    if all(change.before in _NOTHING for change in group):
        return "+"
    return "-" if all(change.after in _NOTHING for change in group) else "~"


def difference(change: Change) -> str:
    """``before → after``; only what comes and goes where both are lists or long lines of words."""
    before, after = _words(change.before), _words(change.after)
    if before is not None and after is not None:
        gone = [f"-{word}" for word in before if word not in after]
        new = [f"+{word}" for word in after if word not in before]
        return " ".join([*gone, *new]) or shown(change.after)
    if change.before in (None, [], ()):
        return shown(change.after)
    return f"{shown(change.before)} → {shown(change.after)}"


def shown(value: Any) -> str:
    """A value in one line; texts of several lines are counted, not shown."""
    if value is None or value in ([], ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        long = "\n" in value.strip() or len(value) > _LONG
        return plural(len(value.strip().splitlines()), "line") if long else value.strip() or "empty"
    if isinstance(value, list | tuple):
        return " ".join(shown(item) for item in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={shown(item)}" for key, item in value.items())
    return json.dumps(value, default=str)


def _words(value: Any) -> list[str] | None:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return list(value)
    return None


def _machine(facts: Facts) -> str:
    cpus = len(facts.cpu.cpus)
    return f"{facts.os.name} · kernel {facts.os.kernel} · {facts.cpu.model}, {cpus} CPUs, {len(facts.nodes)} nodes"


def _wrapped(text: str, indent: int = 4) -> list[str]:
    return textwrap.wrap(text, _width(indent), break_on_hyphens=False) or [""]


def _width(indent: int) -> int:
    return min(terminal_width(), 110) - indent
