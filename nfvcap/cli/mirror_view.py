# SPDX-License-Identifier: Apache-2.0
"""Mirror rules for people: what would be copied, what stands, and what the keeper had to mend."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nfvcap.cli.output import paint, plural
from nfvcap.cli.table import columns, terminal_width


def offer(words: str, found: Mapping[str, Any], refusals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the chosen mechanism does, and why it and no other."""
    yield f"{paint(words, 'head')}: {found['direction']}, by {found['backend']}"
    yield from _points("is copied", found["copies"])
    yield from _points("is not copied", found["leaves_out"])
    yield from _points("also changes", found["effects"])
    yield from _points("if the monitor stops", [found["isolation"]] if found["isolation"] else [])
    if refusals:
        yield paint("  tried before:", "dim")
        for one in refusals:
            yield from _wrapped(f"    {one['backend']}: {one['why']}", "dim")


def _points(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}:"
        for line in lines:
            yield from _wrapped(f"    - {line}")


def _wrapped(text: str, style: str = "none") -> Iterator[str]:
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    for line in textwrap.wrap(text, terminal_width(), subsequent_indent=indent, break_on_hyphens=False):
        yield paint(line, style)


def rules(host: str, found: Sequence[Mapping[str, Any]], keeper: Mapping[str, Any]) -> Iterator[str]:
    """All rules of a host."""
    if not found:
        yield f"{paint(host, 'head')}: no mirror rules"
        return
    yield f"{paint(host, 'head')}: {plural(len(found), 'mirror rule')}" + (
        "" if keeper else "; the keeper does not run"
    )
    kept = keeper.get("rules", {})
    rows = [("rule", "copies", "by", "since", "until", "state", "repairs")]
    notes: list[list[str]] = [[]]
    for rule in found:
        record = kept.get(rule["rule_id"], {})
        state = "stands" if not rule["lacking"] else "LACKING"
        rows.append((
            rule["rule_id"], copies(rule), rule["backend"], f"{rule['since']} {rule['who']}".strip(),
            rule["until"] or "removed", state, str(record.get("repairs", "?")),
        ))  # fmt: skip
        why = [f"      {paint('✗', 'FAIL')} {line}" for line in rule["lacking"]]
        if record.get("repairs"):
            why.append(paint(f"      last repair {record['repaired_at']}: {record['why']}", "dim"))
        notes.append(why)
    yield from columns(rows, wide=1, indent="  ", notes=notes, paint=_colour)


def copies(rule: Mapping[str, Any]) -> str:
    """``in of vm1 → vm3``."""
    watched = ", ".join(_name(source) for source in rule["sources"])
    return f"{rule['direction']} of {watched} → {_name(rule['monitor'])}"


def _name(place: Mapping[str, Any]) -> str:
    own = {"vf": f"vf{place['index']}", "interface": place["interface"], "guest-nic": place["guest"]}
    plain = own.get(place["kind"], place["kind"])
    return f"{place['label']} ({plain})" if place["label"] not in ("", plain) else str(plain)


def _colour(row: int, column: int, text: str) -> str:
    if row == 0:
        return paint(text, "dim")
    return paint(text, "FAIL") if column == 5 and text == "LACKING" else text
