# SPDX-License-Identifier: Apache-2.0
"""Side-by-side timing: contestants alternate in one run, so that a noisy machine hurts all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence


def alternate(contestants: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Call each contestant in turn, ``runs`` times over; each returns its own seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, contestant in contestants.items():
            seconds[name].append(contestant())
    return seconds


def report(seconds: Mapping[str, list[float]], peer: str, limits: Mapping[str, float]) -> bool:
    """Print medians and the ratio to the peer, paired run by run; True when every limit is met."""
    met = True
    print(f"{'what':<28} {'median s':>9}   ratio to {peer}: min / median / max")
    for name, own in seconds.items():
        line = f"{name:<28} {statistics.median(own):>9.3f}"
        if name != peer:
            ratios = sorted(mine / theirs for mine, theirs in zip(own, seconds[peer], strict=True))
            middle = statistics.median(ratios)
            line += f"   {ratios[0]:.2f} / {middle:.2f} / {ratios[-1]:.2f}"
            if name in limits:
                ok = middle <= limits[name]
                met &= ok
                line += f"   limit {limits[name]:g}: {_word(ok)}"
        print(line)
    return met


def report_counts(counts: Mapping[str, Sequence[int]], what: str, limits: Mapping[str, int]) -> bool:
    """Print the highest count of each contestant; True when every limit is met."""
    met = True
    for name, counted in counts.items():
        line = f"{name:<28} {max(counted):>9}   {what} at most"
        if name in limits:
            ok = max(counted) <= limits[name]
            met &= ok
            line += f"   limit {limits[name]}: {_word(ok)}"
        print(line)
    return met


def _word(ok: bool) -> str:
    return "met" if ok else "not met"
