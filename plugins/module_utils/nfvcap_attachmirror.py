# SPDX-License-Identifier: Apache-2.0
"""The last step of an attachment: copies of frames for the new guest; and the first of a detachment: none any more.

Every attachment has the step. Doing it sets the rule that was asked for, if any. Undoing it takes away every rule that
copies to the VF, and the VF out of every rule that copies from it: whoever gets the VF next is neither monitor nor
watched without knowing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .nfvcap_mirror import add_rule, remove_rule, rules_of, set_again
from .nfvcap_mirror_rule import VF, Place, Request, Rule, rule_from
from .nfvcap_outcome import Outcome
from .nfvcap_transaction import Work, register

# Key of the entry for rules that undoing took away, should the guest keep its VF after all.
_REMOVED = "mirror_removed"


class MirrorStep:
    """Copies for the guest that has the VF."""

    name = "mirror"
    changes = True

    def do(self, work: Work) -> None:
        for document in work.entry.get(_REMOVED, []):
            set_again(work.host, work.ledger, rule_from(document), work.who)
        if _REMOVED in work.entry:
            work.note(_REMOVED, [])
            return
        if work.entry.get("mirror"):
            outcome = Outcome()
            request = request_of(work.entry)
            for_s, who = int(work.entry["mirror"]["for_s"]), str(work.entry["by"])
            add_rule(work.host, request, outcome, False, who=who, for_s=for_s, ledger=work.ledger)
            work.found["mirror"] = {key: outcome.extra.get(key) for key in ("offer", "rule", "refusals")}

    def undo(self, work: Work) -> None:
        mine = Place(VF, work.entry["index"])
        touched = [rule for rule in rules_of(work.ledger) if rule.pf == work.entry["pf"] and _has(rule, mine)]
        work.note(_REMOVED, [*work.entry.get(_REMOVED, []), *(rule.as_dict() for rule in touched)])
        for rule in touched:
            why = f"vf{mine.index} is detached from {work.entry['guest']['name']}"
            remove_rule(work.host, work.ledger, rule, why, work.who)
            left = tuple(source for source in rule.sources if not source.same(mine))
            if left and not rule.monitor.same(mine):
                set_again(work.host, work.ledger, replace(rule, sources=left), work.who)
                work.notes.append(f"rule {rule.rule_id} goes on without {work.entry['guest']['name']}")
            else:
                work.notes.append(f"rule {rule.rule_id} was removed: {rule.words()}")


register(MirrorStep())


def request_of(entry: dict[str, Any]) -> Request:
    """The rule that an attachment was asked for."""
    wish = entry["mirror"]
    return Request(
        entry["pf"], Place(VF, entry["index"], label=entry["guest"]["name"]),
        tuple(Place(**source) for source in wish["sources"]), wish["direction"], wish["backend"],
        wish["may_registers"], wish["may_promisc"], entry["wanted"].get("vlan"),
    )  # fmt: skip


def _has(rule: Rule, place: Place) -> bool:
    return rule.monitor.same(place) or any(source.same(place) for source in rule.sources)
