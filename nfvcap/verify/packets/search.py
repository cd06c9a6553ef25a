# SPDX-License-Identifier: Apache-2.0
"""Looking for the highest rate that meets each goal, with the MLRsearch library (RFC 9971)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from nfvcap.model.measurement import Goal, GoalSpec, Trial
from nfvcap.model.verdict import Verdict
from nfvcap.verify.packets.trials import BudgetSpent

_MIN_LOAD_SHARE = 1000
"""The lowest rate that is tried is a thousandth of the highest one."""
FASTER = "the path may be faster"
BELOW = (0.5, 0.1, 0.01)
"""Shares of the lowest bound that are tried behind the search: who keeps up with a high rate may lose at a low one."""


class Measurer(Protocol):
    """One trial at a rate; what `Trials` does, and the fakes of the tests."""

    def __call__(self, rate_pps: int, duration_s: float) -> Trial: ...


def search(
    measure: Measurer, goals: Sequence[GoalSpec], max_pps: int, *, deadline: float, warm_up_s: float = 0.0
) -> tuple[tuple[Goal, ...], str]:
    """Search for all goals at once.

    Args:
        measure: makes one trial.
        goals: what is tolerated.
        max_pps: the highest rate to try: the line rate, or the source's ceiling if that is lower.
        deadline: ``time.monotonic()`` at which the search has to be over.
        warm_up_s: length of a first trial at the highest rate that does not count.

    Returns:
        The goals with their bounds, and why the search ended early (empty: it did not). Bounds of a search that ended
        early, and of a goal that a rate below its bound does not meet, are those of the trials that were made.
    """
    from MLRsearch import Config, MultipleLossRatioSearch, SearchGoal

    wanted = {
        spec: SearchGoal(
            loss_ratio=spec.loss_ratio, exceed_ratio=spec.exceed_ratio, relative_width=spec.relative_width,
            initial_trial_duration=spec.initial_trial_s, final_trial_duration=spec.final_trial_s,
            duration_sum=spec.duration_sum_s, preceding_targets=1 if spec.initial_trial_s < spec.duration_sum_s else 0,
            expansion_coefficient=2, fail_fast=False,
        )
        for spec in goals
    }  # fmt: skip
    config = Config(
        goals=list(wanted.values()), min_load=max(1.0, max_pps / _MIN_LOAD_SHARE), max_load=float(max_pps),
        search_duration_max=max(0.1, deadline - time.monotonic()), warmup_duration=warm_up_s or None,
    )  # fmt: skip
    adapter = _Adapter(measure, warm_up_s)
    ended = ""
    bounds: dict[GoalSpec, tuple[int | None, int | None]] = {}
    try:
        found: Any = MultipleLossRatioSearch(config=config).search(measurer=adapter, debug=lambda _: None)
        for spec, goal in wanted.items():
            bounds[spec] = _rate(found[goal].relevant_lower_bound), _rate(found[goal].relevant_upper_bound)
        _try_below(adapter, wanted, bounds)
    except BudgetSpent:
        ended = "the budget was spent before the search was over"
    except RuntimeError as error:  # the library's word for its own time limit
        if "takes too long" not in str(error):
            raise
        ended = "the budget was spent before the search was over"
    return tuple(_goal(spec, bounds.get(spec), adapter.trials, ended) for spec in goals), ended


def _try_below(
    adapter: _Adapter, specs: Iterable[GoalSpec], bounds: dict[GoalSpec, tuple[int | None, int | None]]
) -> None:
    """A search that is content with a high rate has not looked at lower ones. A goal that one of them breaks is
    bounded by the trials alone, of which the lowest failure counts. Raises BudgetSpent."""
    lowest = min((lower for lower, _ in bounds.values() if lower), default=0)
    longest_s = max(spec.final_trial_s for spec in specs)
    broken: set[GoalSpec] = set()
    for rate in (int(lowest * share) for share in BELOW):
        if rate == 0:
            break
        tried = [adapter.trial(rate, longest_s)]
        if any(spec.exceed_ratio and _breaks(spec, tried[0]) for spec in specs):
            tried.append(adapter.trial(rate, longest_s))  # a goal that lets a trial with loss be repeated
        broken |= {spec for spec in specs if all(_breaks(spec, trial) for trial in tried)}
    bounds.update({spec: _seen(spec, adapter.trials) for spec in broken})


class _Adapter:
    """What the library calls. It counts unsent frames as lost, and so keeps away from what the source cannot do."""

    def __init__(self, measure: Measurer, warm_up_s: float) -> None:
        self._measure = measure
        self._warm_up = bool(warm_up_s)
        self.trials: list[Trial] = []

    def trial(self, rate_pps: int, duration_s: float) -> Trial:
        """One more, kept unless it is the warm-up."""
        trial = self._measure(rate_pps, duration_s)
        if self._warm_up:
            self._warm_up = False
        else:
            self.trials.append(trial)
        return trial

    def measure(self, intended_duration: float, intended_load: float) -> Any:
        from MLRsearch import MeasurementResult

        trial = self.trial(int(intended_load), intended_duration)
        lost, sent = trial.lost, trial.sent
        if trial.verdict is Verdict.INCONCLUSIVE and not trial.source_limited:
            lost = sent  # nobody knows: never a lower bound
        return MeasurementResult(
            intended_duration=intended_duration, intended_load=intended_load,
            offered_count=sent, loss_count=max(0, lost), intended_count=max(sent, _intended(trial)),
        )  # fmt: skip


def _intended(trial: Trial) -> int:
    """Frames that should have been sent in the time that it took; more than were when the schedule slipped."""
    if not trial.source_limited:
        return trial.sent
    return max(trial.intended_packets, trial.intended_pps * trial.duration_ns // 1_000_000_000)


def _rate(bound: Any) -> int | None:
    return None if bound is None else int(float(bound))


def _goal(spec: GoalSpec, bounds: tuple[int | None, int | None] | None, trials: Sequence[Trial], ended: str) -> Goal:
    """A goal with its bounds, and whether they can be believed."""
    lower, upper = bounds if bounds is not None else _seen(spec, trials)
    at_upper = [trial for trial in trials if upper is not None and abs(trial.intended_pps - upper) <= 1]
    doubtful = [trial for trial in at_upper if trial.verdict is Verdict.INCONCLUSIVE]
    liars = [trial for trial in trials if trial.verdict is Verdict.INCONCLUSIVE and not trial.source_limited]
    verdict, reason = Verdict.PASS, ""
    if liars:
        verdict, reason = Verdict.INCONCLUSIVE, liars[0].reason
    elif ended:
        verdict, reason = Verdict.INCONCLUSIVE, ended
    elif not lower:  # 0 packets a second is no rate
        lower = None
        verdict, reason = Verdict.FAIL, "not even the lowest rate that was tried met the goal"
    elif doubtful:
        verdict, reason = Verdict.INCONCLUSIVE, f"{FASTER}: {doubtful[0].reason}"
    elif inverted := _inversion(spec, lower, trials):
        verdict, reason = Verdict.WARN, inverted
    return Goal(loss_ratio=spec.loss_ratio, lower_pps=lower, upper_pps=upper, verdict=verdict, reason=reason)


def _meets(spec: GoalSpec, trial: Trial) -> bool:
    return trial.lost <= spec.loss_ratio * trial.sent and not trial.source_limited


def _breaks(spec: GoalSpec, trial: Trial) -> bool:
    return trial.lost > spec.loss_ratio * trial.sent


def _seen(spec: GoalSpec, trials: Sequence[Trial]) -> tuple[int | None, int | None]:
    """Bounds by the trials alone: the lowest rate that failed, and the highest below it that did not."""
    upper = min((trial.intended_pps for trial in trials if not _meets(spec, trial)), default=None)
    good = [trial.intended_pps for trial in trials if _meets(spec, trial)]
    return max((rate for rate in good if upper is None or rate < upper), default=None), upper


def _inversion(spec: GoalSpec, lower: int, trials: Sequence[Trial]) -> str:
    """Trials above the bound that were good although one below them was bad: more load, less loss."""
    above = [trial.intended_pps for trial in trials if trial.intended_pps > lower * 1.001 and _meets(spec, trial)]
    if not above:
        return ""
    return f"some trials up to {max(above)} packets/s met the goal as well: loss does not simply grow with the rate"
