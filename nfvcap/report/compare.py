# SPDX-License-Identifier: Apache-2.0
"""Two results side by side: may they be compared, what is different around them, what became better or worse."""

from __future__ import annotations

from collections.abc import Iterator

from nfvcap.model.base import Model
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Result
from nfvcap.report.history import REGRESSION, series_of
from nfvcap.report.measured import load_of
from nfvcap.report.numbers import ratio


class Difference(Model):
    """Something around the two measurements that is not the same."""

    host: str
    what: str
    before: str
    after: str


class Figure(Model):
    """One number, before and after."""

    host: str
    series: str
    what: str
    before: int | None
    after: int | None
    worse: bool


class Comparison(Model):
    comparable: bool
    why: str  # not
    differences: tuple[Difference, ...]
    figures: tuple[Figure, ...]


def compare(one: Result, other: Result) -> Comparison:
    """Pair hosts by their place and measurements by what was measured.

    Hosts may have other names (the same machine, reached otherwise); their fingerprints decide whether figures may
    be compared.
    """
    pairs = list(zip(one.hosts, other.hosts, strict=False))
    differences = [difference for before, after in pairs for difference in _around(before, after)]
    figures = [figure for before, after in pairs for figure in _figures(before, after)]
    why = ""
    if len(one.hosts) != len(other.hosts):
        why = f"{len(one.hosts)} hosts in one, {len(other.hosts)} in the other"
    elif any(before.fingerprint != after.fingerprint for before, after in pairs):
        why = "the environments differ: " + ", ".join(dict.fromkeys(d.what for d in differences))
    elif not figures:
        why = "nothing was measured in both in the same way"
    return Comparison(comparable=not why, why=why, differences=tuple(differences), figures=tuple(figures))


def _around(before: HostResult, after: HostResult) -> Iterator[Difference]:
    from nfvcap.verify.packets.machine import differences

    for what, old, new in differences(before.environment, after.environment):
        yield Difference(host=after.host, what=what, before=old, after=new)


def _figures(before: HostResult, after: HostResult) -> Iterator[Figure]:
    old = {series_of(m): m for m in before.measurements}
    for m in after.measurements:
        series = series_of(m)
        if series not in old:
            continue
        for what, (then, now, worse) in _numbers(old[series], m).items():
            yield Figure(host=after.host, series=series, what=what, before=then, after=now, worse=worse)


def _numbers(old: Measurement, new: Measurement) -> dict[str, tuple[int | None, int | None, bool]]:
    made: dict[str, tuple[int | None, int | None, bool]] = {}
    found = {goal.loss_ratio: goal.lower_pps for goal in new.goals}
    for then in old.goals:  # also those that a path which is broken by now was not even searched for
        now_pps = found.get(then.loss_ratio)
        cut = now_pps is None and bool(new.partial)  # nobody knows
        slower = not cut and (now_pps or 0) < REGRESSION * (then.lower_pps or 0)
        made[f"pps at loss ratio {ratio(then.loss_ratio)}"] = (then.lower_pps, now_pps, slower)
    if not old.goals and not new.goals:
        lost = [sum(trial.lost for trial in load_of(m)) for m in (old, new)]
        made["lost packets"] = (lost[0], lost[1], lost[1] > lost[0])
    return made
