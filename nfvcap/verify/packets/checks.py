# SPDX-License-Identifier: Apache-2.0
"""From a measurement to checks: each with what was found, what was wanted, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from nfvcap import catalogue
from nfvcap.errors import NfvcapError
from nfvcap.model.measurement import Goal, Measurement, SizeCount, Trial
from nfvcap.model.result import Check, Verdict
from nfvcap.report.measured import load_of
from nfvcap.report.numbers import integer, mpps, percent
from nfvcap.report.offered import offered_by, under_run
from nfvcap.verify.packets.accounting import explained
from nfvcap.verify.packets.burst import found_by, whole_ones
from nfvcap.verify.packets.cases import COMPLETE, PROVEN, goal_of, names
from nfvcap.verify.packets.run import INTERRUPTED, OUT_OF_BUDGET
from nfvcap.verify.packets.search import FASTER
from nfvcap.verify.packets.verdict import NOT_WHOLE

WORDS = Path(catalogue.__file__).with_name("pkt.yml")
_LONGER = "--budget with more time"
_WHERE = "the waterfall in the report says where; `--rate search` finds the rate without loss"
_WHOLE = "run it again to its end"
_SLOW = "a source that has a CPU of its own, or a lower --rate"


def checks(measurement: Measurement, fingerprint: str) -> tuple[Check, ...]:
    """All checks of one path, in a fixed order and under names that never change: what could not be made is a SKIP.

    Args:
        measurement: what was measured.
        fingerprint: of the environment that it was measured in; a calibration made in another one proves nothing.
    """
    m, made_here = measurement, {(check.id, check.subject): check for check in _checks(measurement, fingerprint)}
    if not m.trials and not m.partial:
        return tuple(made_here.values())  # asked for was the calibration of the source alone
    rate = "search" if m.goals else m.rate
    wanted = names(m.name, m.profile, rate, [goal.loss_ratio for goal in m.goals])
    return tuple(made_here.get(name) or skipped(*name, _why_not(m)) for name in wanted)


def _why_not(m: Measurement) -> str:
    """Why a check of a measurement that was begun could not be made."""
    if m.partial:
        return f"the measurement is partial: {m.partial.splitlines()[0]}"
    proven = any(trial.phase != "path proof" for trial in m.trials)
    return f"there is no trial to judge, see {COMPLETE}" if proven else f"the path is not proven, see {PROVEN}"


def skipped(check_id: str, subject: str, reason: str) -> Check:
    """A check that could not be made here, with why."""
    return made(check_id, subject, Verdict.SKIP, "", "", reason=reason)


def failed(subject: str, error: NfvcapError) -> Check:
    """The path could not even be tried."""
    reason = f"{error.what} [{error.code}]" + (f": {error.why}" if error.why else "")
    return made("NFV-PKT-002", subject, Verdict.ERROR, "nothing was sent", "100 numbered frames in the file",
                  reason=reason, fix=error.fix)  # fmt: skip


def _checks(m: Measurement, fingerprint: str) -> Iterator[Check]:
    yield _calibration(m, fingerprint)
    proof = [trial for trial in m.trials if trial.phase == "path proof"]
    if not proof:
        if m.partial in (OUT_OF_BUDGET, INTERRUPTED):
            yield _complete(m, [])
        elif m.partial:
            yield made("NFV-PKT-002", m.name, Verdict.ERROR, "nothing was sent", "100 numbered frames in the file",
                         reason=m.partial)  # fmt: skip
        return
    yield _proof(m, proof[-1])
    load = load_of(m)
    if proof[-1].verdict not in {Verdict.PASS, Verdict.WARN} and not load and not m.partial:
        return  # nothing was sent behind it
    yield _complete(m, load)
    if m.goals:
        yield from (_goal(m, goal) for goal in m.goals)
        yield _at_least(m, m.goals[0])
    elif m.profile == "burst" and load:
        yield _burst(m)
    elif load:
        yield _fixed(m, load)
    if load:
        yield _account(m, load)
        yield _order(m, load)
        yield _sizes(m, load)


def _calibration(m: Measurement, fingerprint: str) -> Check:
    c = m.calibration
    wanted = f"a ceiling above the line rate of {mpps(c.line_pps)}" if c else "a calibrated source"
    if c is None:
        return made("NFV-PKT-001", m.name, Verdict.ERROR, "not calibrated", wanted, reason=m.partial)
    if c.fingerprint != fingerprint:
        found = f"calibrated {c.created_at} with fingerprint {c.fingerprint}"
        return made("NFV-PKT-001", m.name, Verdict.INCONCLUSIVE, found, f"calibrated with fingerprint {fingerprint}",
                      reason="the calibration is older than the environment", fix="calibrate again")  # fmt: skip
    found = f"{m.source}: {mpps(c.ceiling_pps)}, {percent(c.ceiling_pps, c.line_pps, 1)} of the line rate"
    good = c.ceiling_pps >= c.line_pps
    reason = "" if good else "what the path does above the source's ceiling is not known"
    return made("NFV-PKT-001", m.name, Verdict.PASS if good else Verdict.WARN, found, wanted, reason=reason)


def _complete(m: Measurement, load: Sequence[Trial]) -> Check:
    found, wanted = f"{len(load)} trials under load", "all trials of the profile"
    if m.partial or not load:
        reason = m.partial or "the budget was spent before one was done"
        return made(COMPLETE, m.name, Verdict.INCONCLUSIVE, found, wanted, reason=reason, fix=_again(m))
    return made(COMPLETE, m.name, Verdict.PASS, found, wanted)


def cut_short(subject: str) -> Check:
    """The run was interrupted where nothing was measured yet."""
    found, wanted = "what was measured until then", "all that was asked for"
    return made(COMPLETE, f"{subject} run", Verdict.INCONCLUSIVE, found, wanted, reason=INTERRUPTED, fix=_WHOLE)


def interrupted(checks: Sequence[Check]) -> bool:
    """Does one of them say that the run was?"""
    return any(check.id == COMPLETE and check.reason == INTERRUPTED for check in checks)


def _again(m: Measurement) -> str:
    """What makes a measurement whole; an error has its own word for that."""
    if m.partial == INTERRUPTED:
        return _WHOLE
    return "" if "[NFV-" in m.partial else _LONGER


def _proof(m: Measurement, trial: Trial) -> Check:
    found = f"{trial.recounted} of {trial.sent} frames"
    wanted = f"all {trial.sent}"
    if trial.verdict is Verdict.PASS:
        return made("NFV-PKT-002", m.name, Verdict.PASS, found, wanted)
    where = "; ".join(f"{term.title}: {term.packets}" for term in trial.waterfall.terms if term.packets)
    return made("NFV-PKT-002", m.name, trial.verdict, found, wanted,
                  reason=". ".join(filter(None, [trial.reason, where, trial.waterfall.residual_note])))  # fmt: skip


def _fixed(m: Measurement, load: Sequence[Trial]) -> Check:
    lost, sent = sum(trial.lost for trial in load), sum(trial.sent for trial in load)
    found = (
        f"{integer(lost)} of {integer(sent)} packets lost in {len(load)} trials at {mpps(offered_by(load))}: "
        f"{percent(sent - lost, sent)} captured"
    )
    found = "; ".join(filter(None, [found, under_run(load)]))
    verdict = _worst(load)
    reasons = list(dict.fromkeys(trial.reason for trial in load if trial.verdict is verdict and trial.reason))
    reason = "" if verdict is Verdict.PASS else "; ".join(reasons[:3])
    fix = _WHERE if lost else _SLOW if any(trial.source_limited for trial in load) else ""
    return made("NFV-PKT-010", m.name, verdict, found, "0 packets lost", reason=reason, fix=fix)


def _goal(m: Measurement, goal: Goal) -> Check:
    subject = goal_of(m.name, goal.loss_ratio)
    line, ceiling = (m.calibration.line_pps, m.calibration.ceiling_pps) if m.calibration else (0, 0)
    if not goal.lower_pps:
        return made("NFV-PKT-011", subject, goal.verdict, "no rate", "a rate that meets the goal", reason=goal.reason)
    bound = (
        f"at least {mpps(goal.lower_pps)}, the most that the source was asked for"
        if goal.upper_pps is None
        else mpps(goal.lower_pps)
    )
    above = "" if goal.upper_pps is None else f", not {mpps(goal.upper_pps)}"
    found = f"{bound}{above}; {percent(goal.lower_pps, line, 1)} of the line rate"
    found += f", {percent(goal.lower_pps, ceiling, 1)} of the source alone"
    # A bound that is enough is enough, whatever the source could not try above it.
    enough = goal.reason.startswith(FASTER) and 0 < (m.at_least_pps or 0) <= goal.lower_pps
    verdict = Verdict.WARN if enough else goal.verdict
    return made("NFV-PKT-011", subject, verdict, found, "a rate that meets the goal", reason=goal.reason)


def _at_least(m: Measurement, goal: Goal) -> Check:
    """Is what was found enough? Without a word from the user the line rate is, and less is a warning."""
    line = m.calibration.line_pps if m.calibration else 0
    found = f"{mpps(goal.lower_pps)} without loss" if goal.lower_pps else "no rate without loss"
    wanted = f"at least {mpps(m.at_least_pps)}" if m.at_least_pps else f"the line rate of {mpps(line)}"
    verdict, reason = _enough(m, goal, line)
    return made("NFV-PKT-014", m.name, verdict, found, wanted, reason=reason)


def _enough(m: Measurement, goal: Goal, line: int) -> tuple[Verdict, str]:
    return next(_not_enough(m, goal, line)) if (goal.lower_pps or 0) < _wanted(m, line) else (Verdict.PASS, "")


def _wanted(m: Measurement, line: int) -> int:
    return m.at_least_pps or max(1, line - 1)  # the highest rate of a search is a whole number


def _not_enough(m: Measurement, goal: Goal, line: int) -> Iterator[tuple[Verdict, str]]:
    """What a search that found too little is worth, and why; the first one holds."""
    if goal.verdict is Verdict.INCONCLUSIVE:
        yield Verdict.INCONCLUSIVE, goal.reason
    if not goal.lower_pps:
        yield Verdict.FAIL, goal.reason
    if not m.at_least_pps:
        yield Verdict.WARN, "no rate was asked for; --at-least MPPS makes this a pass or a failure"
    elif m.at_least_pps > line > 0:
        yield Verdict.FAIL, f"the link carries no more than {mpps(line)}"
    if goal.upper_pps is None:
        yield Verdict.INCONCLUSIVE, "nothing was lost, and more was not asked of the source"
    yield Verdict.FAIL, ""


def _burst(m: Measurement) -> Check:
    packets, repeats = found_by(m.trials)
    found = f"{integer(packets)} frames back to back, {repeats} times without loss"
    slow = under_run(whole_ones(m.trials))
    verdict = Verdict.INCONCLUSIVE if slow else Verdict.PASS if packets else Verdict.FAIL
    return made("NFV-PKT-015", m.name, verdict, found, "a burst that is captured whole", reason=slow)


def _account(m: Measurement, load: Sequence[Trial]) -> Check:
    lost = sum(trial.lost for trial in load)
    bad = [trial for trial in load if not explained(trial.waterfall)]
    unseen = sum(trial.waterfall.residual for trial in load if explained(trial.waterfall))
    wanted = "residual 0"
    if bad:
        trial = max(bad, key=lambda one: one.waterfall.residual)
        # Counters that hold more than was sent are wrong somewhere; what they say of a loss is then no finding.
        verdict = Verdict.FAIL if trial.waterfall.residual > 0 else Verdict.INCONCLUSIVE
        return made("NFV-PKT-012", m.name, verdict, f"trial {trial.number}: residual {trial.waterfall.residual}",
                      wanted, reason=trial.waterfall.residual_note)  # fmt: skip
    if unseen:
        note = next(trial.waterfall.residual_note for trial in load if trial.waterfall.residual)
        return made("NFV-PKT-012", m.name, Verdict.WARN, f"{integer(unseen)} of {integer(lost)} lost packets",
                      wanted, reason=note)  # fmt: skip
    found = f"all {integer(lost)} lost packets have a row" if lost else "nothing was lost"
    return made("NFV-PKT-012", m.name, Verdict.PASS, f"{found}; residual 0 in {len(load)} trials", wanted)


def _order(m: Measurement, load: Sequence[Trial]) -> Check:
    numbers = {
        word: sum(getattr(trial, word) for trial in load)
        for word in ("duplicates", "reordered", "corrupt", "foreign", "invented")
    }
    found = ", ".join(f"{integer(count)} {word}" for word, count in numbers.items() if count) or "none"
    # A guest's interface sees frames of its own and of neighbours; a private link has none.
    harmless = m.label != "virtual" and not numbers["reordered"]
    cut = next((trial.reason for trial in load if trial.reason.startswith(NOT_WHOLE)), "")
    verdict = Verdict.WARN if found != "none" and not harmless else Verdict.PASS
    if numbers["invented"]:
        verdict = Verdict.INCONCLUSIVE  # the source says what is not so, of these and of the others
    elif cut or numbers["duplicates"] or numbers["corrupt"]:
        verdict = Verdict.FAIL
    return made("NFV-PKT-013", m.name, verdict, found, "none", reason=cut)


def _sizes(m: Measurement, load: Sequence[Trial]) -> Check:
    whole = [trial for trial in load if not trial.lost and not trial.invented]
    judged = [trial for trial in whole if trial.sizes and all(size.sent is not None for size in trial.sizes)]
    if not judged:
        return skipped("NFV-PKT-016", m.name, "no trial without loss of which every size is known")
    wrong = [
        f"trial {trial.number}: {size.recounted} of {size.sent} frames of {size.size_bytes} bytes"
        for trial in judged for size in _changed(trial)
    ]  # fmt: skip
    found = wrong[0] if wrong else f"the same in {len(judged)} trials"
    return made("NFV-PKT-016", m.name, Verdict.FAIL if wrong else Verdict.PASS, found, "sizes in = sizes out")


def _changed(trial: Trial) -> list[SizeCount]:
    """Sizes that the file has fewer of than were sent, or more of than strangers' frames explain."""
    more = sum(max(0, size.recounted - (size.sent or 0)) for size in trial.sizes)
    return [
        size for size in trial.sizes
        if size.sent is not None
        and (size.recounted < size.sent or (size.recounted > size.sent and more > trial.foreign))
    ]  # fmt: skip


_ORDER = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN)


def _worst(trials: Sequence[Trial]) -> Verdict:
    there = {trial.verdict for trial in trials}
    return next((verdict for verdict in _ORDER if verdict in there), Verdict.PASS)


def made(
    check_id: str, subject: str, verdict: Verdict, found: str, wanted: str, *, reason: str = "", fix: str = ""
) -> Check:
    """A check in the words of the catalogue."""
    entry = _words()[check_id]
    good = verdict in {Verdict.PASS, Verdict.SKIP}
    return Check(
        id=check_id, subject=subject, title=entry.title, verdict=verdict, found=found, wanted=wanted, reason=reason,
        fix=fix or ("" if good else entry.fix),
    )  # fmt: skip


@cache
def _words() -> dict[str, catalogue.Entry]:
    return {entry.id: entry for entry in catalogue.read(WORDS)}
