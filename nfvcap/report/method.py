# SPDX-License-Identifier: Apache-2.0
"""With what parameters a path was measured, line by line: what a reviewer needs to do the same again."""

from __future__ import annotations

from collections.abc import Iterator

from nfvcap.model.measurement import GoalSpec, Measurement
from nfvcap.report.numbers import mpps, ratio, span

UNKNOWN = "not kept: the result is of a version that stored the profile's name alone"


def method_lines(m: Measurement) -> Iterator[tuple[str, str]]:
    """(name, words) of each line."""
    method = m.method
    if method is None:
        yield "parameters", UNKNOWN
        return
    for spec in method.goals:
        yield f"goal {ratio(spec.loss_ratio)}", _goal(spec)
    if method.max_pps is not None:
        yield (
            "highest rate",
            f"{mpps(method.max_pps)} is tried: the line rate, or what the source keeps to if less",
        )
    if method.tried_below:
        shares = ", ".join(f"{share:.0%}" for share in method.tried_below)
        yield "behind the search", f"trials at {shares} of the lowest bound: who keeps up there may lose at less"
    if not method.goals:
        yield "trials", _fixed(m.profile, method.trials, method.trial_s)
    yield "warm-up", f"{span(method.warm_up_s)}, which does not count"
    yield "drain", f"until {span(method.drain_s)} of silence; then the file is closed"
    yield "settle", f"{span(method.settle_s)} between two trials"
    yield "made again", f"at most {method.retries} times, a trial that its source spoilt"


def _goal(spec: GoalSpec) -> str:
    first = f"trials of {span(spec.final_trial_s)}"
    if spec.initial_trial_s != spec.final_trial_s:
        first = f"trials of {span(spec.initial_trial_s)} first, of {span(spec.final_trial_s)} in the end"
    return (
        f"{first}; {span(spec.duration_sum_s)} of them decide about a rate (duration sum); exceed ratio "
        f"{spec.exceed_ratio:g}; bounds brought to {spec.relative_width * 100:g} % of each other (relative width)"
    )


def _fixed(profile: str, trials: int, trial_s: float) -> str:
    if profile == "soak":
        return f"of {span(trial_s)} each, until the budget is spent"
    if profile == "burst":
        return f"the longest burst lasts {span(trial_s)}; the one that is found has to come through {trials} times"
    return f"{trials} of {span(trial_s)} each"
