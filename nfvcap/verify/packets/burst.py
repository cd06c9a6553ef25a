# SPDX-License-Identifier: Apache-2.0
"""The longest burst at line rate that is captured whole (after RFC 9004): what rings and buffers can absorb."""

from __future__ import annotations

from nfvcap.model.measurement import Trial
from nfvcap.verify.packets.profiles import Profile
from nfvcap.verify.packets.traffic import whole_rounds
from nfvcap.verify.packets.trials import Trials

_SHORTEST = 64
_WIDTH = 0.05


def longest_burst(trials: Trials, rate_pps: int, profile: Profile) -> int:
    """Bisect for the length, then repeat it; what fails is made shorter and repeated again.

    Returns:
        Frames of the longest burst of which all repetitions came through; 0 when there is none.
    """

    def is_whole(packets: int) -> bool:
        trial = trials.run("burst", rate_pps, packets=packets)
        return trial.lost == 0

    longest = whole_rounds(trials.traffic, int(rate_pps * profile.trial_s))
    good, bad = 0, longest + 1
    if is_whole(longest):
        good = longest
    while bad - good > max(1, int(bad * _WIDTH)) and bad > _SHORTEST:
        middle = whole_rounds(trials.traffic, max(_SHORTEST, (good + bad) // 2))
        if middle in {good, bad}:
            break
        good, bad = (middle, bad) if is_whole(middle) else (good, middle)
    while good and not all(is_whole(good) for _ in range(profile.trials - 1)):
        good = whole_rounds(trials.traffic, int(good * (1 - _WIDTH))) if good > _SHORTEST else 0
    return good


def whole_ones(trials: tuple[Trial, ...]) -> list[Trial]:
    """The trials that :func:`found_by` speaks of."""
    packets, _ = found_by(trials)
    return [trial for trial in trials if trial.phase == "burst" and packets and trial.sent == packets]


def found_by(trials: tuple[Trial, ...]) -> tuple[int, int]:
    """(longest burst whose last repetitions were all whole, how many of them) out of the trials that were made."""
    bursts = [trial for trial in trials if trial.phase == "burst"]
    best = (0, 0)
    for size in sorted({trial.sent for trial in bursts}):
        same = [trial for trial in bursts if trial.sent == size]
        if all(trial.lost == 0 for trial in same):
            best = (size, len(same))
    return best
