# SPDX-License-Identifier: Apache-2.0
"""Mirror rules of a host: chosen among the backends, written into ledger and journal, set, read back, taken away.

The ledger has each rule before it is set. A process that dies in between leaves a rule that the keeper completes, or
that removing takes away; never one that nobody knows of.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_journal import WARNING, journal
from .nfvcap_ledger import Ledger
from .nfvcap_mirror_i40e import BACKEND as I40E
from .nfvcap_mirror_igbmac import BACKEND as IGBMAC
from .nfvcap_mirror_poolselect import BACKEND as POOLSELECT
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_promisc import BACKEND as PROMISC
from .nfvcap_mirror_rule import VF, Backend, Offer, Place, Refusal, Request, Rule, rule_from
from .nfvcap_mirror_rules import BACKEND as RULES
from .nfvcap_mirror_software import BACKEND as SOFTWARE
from .nfvcap_mirror_tc import BACKEND as TC
from .nfvcap_outcome import Outcome

KIND = "mirror"
# A rule that does not stand by then will not stand.
READ_BACK_S = 2.0
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


# In the order of trying: documented interfaces of the card, what needs no consent, what does, what is coarse.
BACKENDS = (TC, I40E, IGBMAC, POOLSELECT, RULES, SOFTWARE, PROMISC)


def backend(name: str) -> Backend:
    """A backend by name.

    Raises:
        Failure: NFV-MIRROR-008.
    """
    for one in BACKENDS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in BACKENDS)
    raise Failure("NFV-MIRROR-008", f"there is no mirror backend {name!r}", f"there are {known}", "name one of them")


def rules_of(ledger: Ledger) -> list[Rule]:
    """All rules of this host, oldest first."""
    entries = [ledger.entry(entry_id) or {} for entry_id in ledger.ids() if entry_id.startswith(f"{KIND}:")]
    return [rule_from(entry["rule"]) for entry in entries]


def choose(host: Host, request: Request, others: list[Rule]) -> tuple[Offer, list[Refusal]]:
    """The first backend that does what is asked, and why those before it do not.

    Raises:
        Failure: NFV-MIRROR-001 none does it; NFV-MIRROR-002…-008 the request contradicts itself or the host.
    """
    _check(host, request, others)
    refusals: list[Refusal] = []
    for one in (backend(request.backend),) if request.backend else BACKENDS:
        answer = one.probe(host, request, others)
        if isinstance(answer, Offer):
            return answer, refusals
        refusals.append(answer)
    raise Failure(
        "NFV-MIRROR-001",
        f"nothing on this host can copy {request.direction or 'anything'} of "
        f"{', '.join(map(str, request.sources))} to {request.monitor}",
        "; ".join(f"{refusal.backend}: {refusal.why}" for refusal in refusals),
        "; or ".join(dict.fromkeys(f"{one.instead} ({one.backend})" for one in refusals if one.instead))
        or "another card, or VirtIO guests, whose frames the kernel can copy",
    )


def _check(host: Host, request: Request, others: list[Rule]) -> None:
    """What no backend could do."""
    name = request.monitor
    if any(source.same(request.monitor) for source in request.sources):
        raise Failure(
            "NFV-MIRROR-002", f"{name} cannot watch itself", "it would get copies of its own copies", "watch another VF"
        )
    if request.pf:
        _check_vfs(host, request)
    for rule in others:
        if rule.pf != request.pf:
            continue
        for source in request.sources:
            if not rule.monitor.same(request.monitor) and (
                source.covers(rule.monitor) or any(watched.covers(request.monitor) for watched in rule.sources)
            ):
                raise Failure(
                    "NFV-MIRROR-007", f"{source} and {name} would watch in a chain",
                    f"rule {rule.rule_id} copies {rule.words()}; all and uplink include every VF of their port",
                    "watch the guests themselves by name, not their monitor",
                )  # fmt: skip
            if rule.monitor.same(request.monitor) and any(source.same(watched) for watched in rule.sources):
                raise Failure(
                    "NFV-MIRROR-006", f"{name} watches {source} already",
                    f"rule {rule.rule_id} copies {rule.words()}",
                    f"remove it first: nfvcap mirror remove {rule.rule_id}",
                )  # fmt: skip


def _check_vfs(host: Host, request: Request) -> None:
    port = Port(host, request.pf)
    there = port.vf_indices()
    for place in (request.monitor, *request.sources):
        if place.kind == VF and place.index not in there:
            raise Failure(
                "NFV-MIRROR-004", f"there is no {place} on {request.pf}",
                f"it has VF {', '.join(map(str, there))}" if there else "it has no VFs now",
                "`nfvcap status` shows them",
            )  # fmt: skip


def add_rule(
    host: Host, request: Request, outcome: Outcome, check: bool, *,
    who: str = "", for_s: int = 0, ledger: Ledger | None = None,
) -> None:  # fmt: skip
    """Set a rule, or find that it stands; ``outcome.extra`` gets the offer, the refusals and the rule.

    Args:
        who: who asks for it, for ledger and journal.
        for_s: seconds after which it ends by itself, by the host's clock; 0: never.
        ledger: that of the caller, when it goes on writing it.

    Raises:
        Failure: see :func:`choose`; NFV-MIRROR-005 the journal is not there; NFV-MIRROR-011 it did not come to stand,
            and nothing is left of it.
    """
    ledger = Ledger(host) if ledger is None else ledger
    others = rules_of(ledger)
    now = datetime.datetime.now(datetime.timezone.utc)
    until = (now + datetime.timedelta(seconds=for_s)).strftime(_STAMP) if for_s else ""
    equal = next((rule for rule in others if _is_same(rule, request)), None)
    if equal is not None:
        _renew(host, ledger, replace(equal, until=until), outcome, check=check, who=who)
        return
    offer, refusals = choose(host, request, others)
    rule = Rule(
        _free_id(others), offer.backend, request.pf, request.monitor, request.sources, offer.direction, offer.detail,
        who, now.strftime(_STAMP), until,
    )  # fmt: skip
    outcome.add(f"{KIND}:{rule.rule_id}", None, rule.words())
    outcome.extra.update(offer=_shown(offer), refusals=[vars(one) for one in refusals], rule=rule.as_dict())
    if check:
        return
    outcome.begun = True
    _stand(host, ledger, rule, who)


def set_again(host: Host, ledger: Ledger, rule: Rule, who: str) -> None:
    """A rule that stood before, perhaps with fewer sources: under its id, with its end, by its mechanism.

    Args:
        who: who sets it now, for the journal; the rule stays its maker's.

    Raises:
        Failure: as :func:`add_rule`.
    """
    request = Request(rule.pf, rule.monitor, rule.sources, rule.direction, rule.backend, True, True)
    offer, _ = choose(host, request, rules_of(ledger))
    _stand(host, ledger, replace(rule, detail=offer.detail), who)


def _stand(host: Host, ledger: Ledger, rule: Rule, who: str) -> None:
    """Journal, ledger, then the rule itself; nothing is left when it does not come to stand."""
    line = f"{rule.rule_id}: {who or 'somebody'} adds: {rule.words()}"
    if not journal(host, line, **_fields(rule, "add", who)):
        raise Failure(
            "NFV-MIRROR-005", "the host's journal takes no lines, so nothing is copied",
            "whoever copies other people's frames leaves a trace", "see `systemctl status systemd-journald`",
        )  # fmt: skip
    ledger.record(f"{KIND}:{rule.rule_id}", KIND, None, rule=rule.as_dict())
    try:
        _set(host, rule)
    except (Failure, OSError):
        remove_rule(host, ledger, rule, "it could not be set", who)
        raise


def _is_same(rule: Rule, request: Request) -> bool:
    mine = sorted(map(_key, rule.sources))
    return (
        rule.pf == request.pf and rule.monitor.same(request.monitor) and mine == sorted(map(_key, request.sources))
        and request.direction in ("", rule.direction) and request.backend in ("", rule.backend)
    )  # fmt: skip


def _key(place: Place) -> tuple[Any, ...]:
    return (place.kind, place.index, place.interface, place.guest, place.mac)


def _renew(host: Host, ledger: Ledger, rule: Rule, outcome: Outcome, *, check: bool, who: str) -> None:
    """A rule that is asked for again: it is mended if need be, and ends when the last request says."""
    lost = backend(rule.backend).lacking(host, rule)
    former = rule_from((ledger.entry(f"{KIND}:{rule.rule_id}") or {})["rule"]).until
    outcome.extra.update(rule=rule.as_dict(), refusals=[], offer=None)
    if lost:
        outcome.add(f"{KIND}:{rule.rule_id}", "; ".join(lost), rule.words())
    if rule.until != former:
        outcome.add(f"{KIND}:{rule.rule_id}:until", former or "for ever", rule.until or "for ever")
    if check or not outcome.changes:
        return
    outcome.begun = True
    if rule.until != former:
        ledger.note(f"{KIND}:{rule.rule_id}", "rule", rule.as_dict())
        journal(host, f"{rule.rule_id}: ends {rule.until or 'never'}: {rule.words()}", **_fields(rule, "renew", who))
    if lost:
        _set(host, rule)


def _set(host: Host, rule: Rule) -> None:
    one = backend(rule.backend)
    one.add(host, rule)
    if not host.wait_until(lambda: not one.lacking(host, rule), READ_BACK_S):
        raise Failure(
            "NFV-MIRROR-011", f"the rule does not stand: {rule.words()}", "; ".join(one.lacking(host, rule)),
            "`dmesg` on the host may say why; or use another backend",
        )  # fmt: skip


def remove_rule(host: Host, ledger: Ledger, rule: Rule, why: str, who: str) -> None:
    """Take a rule away, then out of the ledger; the others are seen to afterwards, should they have shared something.

    Args:
        why, who: for the journal and for what the ledger remembers; ``who`` removes it, whoever made it.

    Raises:
        Failure: NFV-MIRROR-009 it does not go; then it stays in the ledger.
    """
    try:
        backend(rule.backend).remove(host, rule)
    except (Failure, OSError) as error:
        journal(host, f"{rule.rule_id}: cannot be removed: {error}", WARNING, **_fields(rule, "remove", who))
        if isinstance(error, Failure):
            raise
        raise Failure(
            "NFV-MIRROR-009", f"rule {rule.rule_id} does not go", str(error), "see `dmesg` on the host, then run again"
        ) from error
    ledger.end(
        f"{KIND}:{rule.rule_id}", what=rule.words(), made_by=rule.who, made_at=rule.since, until=rule.until,
        ended_by=who, why=why,
    )  # fmt: skip
    line = f"{rule.rule_id}: removed by {who or 'somebody'} ({why}): {rule.words()}"
    journal(host, line, **_fields(rule, "remove", who))
    for other in rules_of(ledger):
        if other.pf == rule.pf and other.backend == rule.backend and backend(other.backend).lacking(host, other):
            backend(other.backend).add(host, other)


def remove_rules(
    host: Host, wanted: list[str], monitor: Place | None, outcome: Outcome, *, check: bool, who: str = ""
) -> None:
    """Remove rules by id, or all rules of a monitor, or every rule when neither is given. None is no mistake.

    Raises:
        Failure: NFV-MIRROR-003 there is no rule of that id, NFV-MIRROR-009 one does not go (the others are gone).
    """
    ledger = Ledger(host)
    rules = rules_of(ledger)
    known = {rule.rule_id for rule in rules}
    unknown = [rule_id for rule_id in wanted if rule_id not in known]
    if unknown:
        raise Failure(
            "NFV-MIRROR-003", f"there is no mirror rule {', '.join(unknown)} on this host",
            f"there are {', '.join(sorted(known))}" if known else "there is none at all", "nfvcap mirror list",
        )  # fmt: skip
    chosen = [rule for rule in rules if (not wanted or rule.rule_id in wanted)
              and (monitor is None or rule.monitor.same(monitor))]  # fmt: skip
    for rule in chosen:
        outcome.add(f"{KIND}:{rule.rule_id}", rule.words(), None)
    failures: list[Failure] = []
    for rule in chosen if not check else ():
        outcome.begun = True
        try:
            remove_rule(host, ledger, rule, "asked for", who)
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def seen(host: Host, rule: Rule) -> dict[str, Any]:
    """A rule as it is now: its words, and what it lacks."""
    try:
        lost = backend(rule.backend).lacking(host, rule)
    except (Failure, OSError) as error:
        lost = [str(error)]
    return {**rule.as_dict(), "words": rule.words(), "lacking": lost}


def standing(host: Host, wanted: list[str], within_s: float) -> bool:
    """Wait until rules stand (all of them when none is named); False when one does not within ``within_s``."""

    def all_stand() -> bool:
        rules = [rule for rule in rules_of(Ledger(host)) if not wanted or rule.rule_id in wanted]
        return not any(seen(host, rule)["lacking"] for rule in rules)

    return host.wait_until(all_stand, within_s)


def _free_id(rules: list[Rule]) -> str:
    taken = {rule.rule_id for rule in rules}
    return next(name for name in (f"m{number}" for number in range(1, len(rules) + 2)) if name not in taken)


def _shown(offer: Offer) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(offer).items()}


def _fields(rule: Rule, action: str, who: str) -> dict[str, str]:
    """Fields of a journal line: `journalctl NFVCAP_MIRROR=m1`. Who does something need not be who made the rule."""
    return {
        "NFVCAP_MIRROR": rule.rule_id, "NFVCAP_ACTION": action, "NFVCAP_WHO": who, "NFVCAP_MADE_BY": rule.who,
        "NFVCAP_UNTIL": rule.until,
    }  # fmt: skip
