# SPDX-License-Identifier: Apache-2.0
"""How thorough: trial lengths, waits and goals by name, with what deviates from the standard that a name recalls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from nfvcap.model.measurement import GoalSpec


@dataclass(frozen=True)
class Profile:
    """A way of measuring. Times in seconds."""

    name: str
    about: str
    rate: Literal["line", "search"]  # unless the user says otherwise
    goals: tuple[GoalSpec, ...]
    trial_s: float  # of a trial at a fixed rate
    trials: int  # at a fixed rate
    warm_up_s: float
    drain_s: float  # quiet for so long before the file is closed
    settle_s: float  # between two trials
    retries: int  # of a trial that was spoilt by its source
    budget_s: float
    deviations: tuple[str, ...] = ()


def for_emulation(profile: Profile) -> Profile:
    """The same with trials long enough for an emulated machine: it stands still now and then, and rates are low."""
    if profile.name != "quick":
        return profile
    longer = {"initial_trial_s": 2.0, "final_trial_s": 4.0, "duration_sum_s": 4.0}
    goals = tuple(goal.model_copy(update=longer) for goal in profile.goals)
    deviations = tuple(text.replace("trials of 1 s", "trials of 4 s") for text in profile.deviations)
    return replace(profile, goals=goals, trial_s=4.0, warm_up_s=1.0, deviations=deviations)


def _goals(ratios: tuple[float, ...], **rest: float) -> tuple[GoalSpec, ...]:
    return tuple(GoalSpec(loss_ratio=ratio, **rest) for ratio in ratios)


STANDARD_DRAIN_S = 2.0  # of RFC 2544; how long is waited is a matter of the path as well

# What no profile can do as the standards have it: those are about devices that send on what they get.
_ONE_KIND = "one kind of frames a run instead of all sizes of the standard"
_ENDS_HERE = "frames end in a file, where they are recounted, instead of coming back to the tester"
_AGAIN = "a trial that its source spoilt is made again"

_RATIOS = (0.0, 1e-7, 1e-5, 1e-3)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "quick", "a minute: trials of one second, rate to 5 %", "search",
            _goals(_RATIOS, exceed_ratio=0.0, relative_width=0.05, initial_trial_s=0.5, final_trial_s=1.0,
                   duration_sum_s=1.0),
            trial_s=1.0, trials=3, warm_up_s=0.5, drain_s=0.3, settle_s=0.1, retries=2, budget_s=120,
            deviations=("trials of 1 s instead of 60 s", "0.1 s to settle instead of 5 s"),
        ),
        Profile(
            "rfc2544", "RFC 2544: trials of 60 s, no loss, rate to 0.5 %", "search",
            _goals((0.0,), exceed_ratio=0.0, relative_width=0.005, initial_trial_s=60.0, final_trial_s=60.0,
                   duration_sum_s=60.0),
            trial_s=60.0, trials=1, warm_up_s=2.0, drain_s=2.0, settle_s=5.0, retries=1, budget_s=3600,
            deviations=(_ONE_KIND, _ENDS_HERE, _AGAIN),
        ),
        Profile(
            "tst009", "ETSI TST 009: a trial with loss is repeated once before it counts, trials of 60 s", "search",
            _goals((0.0,), exceed_ratio=0.5, relative_width=0.005, initial_trial_s=60.0, final_trial_s=60.0,
                   duration_sum_s=120.0),
            trial_s=60.0, trials=2, warm_up_s=2.0, drain_s=2.0, settle_s=5.0, retries=1, budget_s=7200,
            deviations=("MLRsearch (RFC 9971) with repeated trials instead of the binary search with loss verification",
                        _ONE_KIND, _ENDS_HERE, _AGAIN),
        ),
        Profile(
            "soak", "one rate for the whole budget, trial after trial", "line", (),
            trial_s=60.0, trials=1_000_000, warm_up_s=2.0, drain_s=2.0, settle_s=0.0, retries=0, budget_s=3600,
        ),
        Profile(
            "burst", "RFC 9004: the longest burst at line rate that is captured whole", "line", (),
            trial_s=2.0, trials=5, warm_up_s=0.5, drain_s=1.0, settle_s=1.0, retries=1, budget_s=600,
            deviations=("5 repetitions of the longest burst instead of 50", _ONE_KIND, _ENDS_HERE),
        ),
    )
}  # fmt: skip
