# SPDX-License-Identifier: Apache-2.0
"""What mirror rules mean for one VF: whom it watches, who watches it, and how often a rule had to be set again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nfvcap.model.facts import Facts
from nfvcap.planner.query import MIRROR_STATE


def mirrored(facts: Facts, pf: str, index: int) -> list[str]:
    """``⇐ copies of vm1 (in, igbmac, rule m1, 2 repairs)``, ``⇒ copied to vm3``; nothing for most VFs."""
    words = []
    for rule in _rules(facts):
        if rule["pf"] != pf:
            continue
        watched = ", ".join(_name(source) for source in rule["sources"])
        if (rule["monitor"]["kind"], rule["monitor"]["index"]) == ("vf", index):
            end = f", until {rule['until']}" if rule["until"] else ""
            words.append(f"⇐ copies of {watched} ({rule['direction']}, {rule['backend']}, rule {rule['rule_id']}"
                         f"{_kept(facts, rule['rule_id'])}{end})")  # fmt: skip
        elif any((source["kind"], source["index"]) == ("vf", index) for source in rule["sources"]):
            words.append(f"⇒ copied to {_name(rule['monitor'])}")
    return words


def _rules(facts: Facts) -> list[Mapping[str, Any]]:
    entries: Mapping[str, Mapping[str, Any]] = (facts.ledger or {}).get("entries", {})
    return [entry["rule"] for entry in entries.values() if entry.get("kind") == "mirror"]


def _name(place: Mapping[str, Any]) -> str:
    own = {"vf": f"vf{place['index']}", "interface": place["interface"], "guest-nic": place["guest"]}
    return str(place["label"] or own.get(place["kind"], place["kind"]))


def _kept(facts: Facts, rule_id: str) -> str:
    """What the keeper says of a rule."""
    file = facts.files.get(MIRROR_STATE)
    try:
        state = json.loads((file.content if file else None) or "{}")
        record = state.get("rules", {}).get(rule_id)
    except (ValueError, AttributeError):
        record = None
    if record is None:
        return ", not kept"
    if record.get("waiting"):
        return f", waits: {record['waiting']}"
    repairs = int(record.get("repairs", 0))
    return f", {repairs} repair{'' if repairs == 1 else 's'}" if repairs else ""
