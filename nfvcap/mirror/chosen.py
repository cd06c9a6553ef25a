# SPDX-License-Identifier: Apache-2.0
"""Which rules are meant by ids and by names of monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nfvcap.errors import UsageError
from nfvcap.mirror.request import DEVICE

Rules = Sequence[Mapping[str, Any]]


def chosen(words: Sequence[str], known: Mapping[str, Rules]) -> dict[str, list[str]]:
    """Host → ids of its rules that are meant; no words mean all.

    Raises:
        UsageError: NFV-MIRROR-003 a word means no rule of any host, NFV-MIRROR-024 an id that several hosts have.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        hits = [(host, str(rule["rule_id"])) for host, rules in known.items() for rule in rules if _means(word, rule)]
        if not hits:
            have = [f"{host}: {', '.join(_names(rule) for rule in rules)}" for host, rules in known.items() if rules]
            raise UsageError(
                "NFV-MIRROR-003", f"no mirror rule is meant by {word}", "; ".join(have) or "there are no rules",
                "nfvcap mirror list",
            )  # fmt: skip
        if len({host for host, _ in hits}) > 1:
            raise UsageError(
                "NFV-MIRROR-024", f"{word} means a rule on each of {', '.join(sorted({host for host, _ in hits}))}", "",
                "say which host with --host",
            )  # fmt: skip
        for host, rule_id in hits:
            if rule_id not in found.setdefault(host, []):
                found[host].append(rule_id)
    if not words:
        found = {host: [str(rule["rule_id"]) for rule in rules] for host, rules in known.items() if rules}
    return found


def _means(word: str, rule: Mapping[str, Any]) -> bool:
    monitor = rule["monitor"]
    own = {rule["rule_id"], monitor["label"], monitor["guest"], monitor["interface"]} - {""}
    if monitor["kind"] == "interface":
        own.add(DEVICE + monitor["interface"])  # as it was named when the rule was added
    return word in own or (monitor["kind"] == "vf" and word == f"{rule['pf']}:vf{monitor['index']}")


def _names(rule: Mapping[str, Any]) -> str:
    return f"{rule['rule_id']} (to {rule['monitor']['label'] or rule['monitor']['kind']})"
