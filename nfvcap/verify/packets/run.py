# SPDX-License-Identifier: Apache-2.0
"""Measures one path by a profile: calibration, proof, warm-up, then trials at a rate, a search, a soak or bursts."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from nfvcap.errors import NfvcapError
from nfvcap.model.measurement import (
    SOURCE_TOLERANCE,
    Calibration,
    Goal,
    Measurement,
    Method,
    Phase,
    Traffic,
    Trial,
)  # fmt: skip
from nfvcap.model.verdict import Verdict
from nfvcap.verify.packets.burst import longest_burst
from nfvcap.verify.packets.path import Path
from nfvcap.verify.packets.profiles import STANDARD_DRAIN_S, Profile
from nfvcap.verify.packets.search import BELOW, search
from nfvcap.verify.packets.traffic import line_rate_pps
from nfvcap.verify.packets.trials import BudgetSpent, Trials

USABLE_SHARE = 0.9
"""So much of a source's ceiling it can be asked for and be expected to keep to its schedule."""
UNNUMBERED = "frames of the file that carry no number are counted, not recognised"
OUT_OF_BUDGET = "the budget was spent"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    profile: Profile
    traffic: Traffic
    rate: str  # "line", "search", or packets a second as digits
    budget_s: float
    at_least_pps: int | None = None
    only_calibrate: bool = False
    behind: str = ""  # added to the name of the path: one that is measured several times says with what


@dataclass(frozen=True)
class Follow:
    """Who wants to know what goes on."""

    begin: Callable[[Phase, int, int], None] = lambda phase, rate_pps, packets: None
    trial: Callable[[Trial], None] = lambda trial: None
    calibrated: Callable[[Calibration], None] = lambda calibration: None


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def calibrate(path: Path, traffic: Traffic, fingerprint: str) -> Calibration:
    """What the source can do alone, and what the link could carry. Raises NfvcapError."""
    return Calibration(
        source=path.source.name, traffic=traffic.name, ceiling_pps=path.source.ceiling_pps(traffic),
        line_pps=line_rate_pps(traffic, path.link_mbps), link_mbps=path.link_mbps, created_at=now(),
        fingerprint=fingerprint,
    )  # fmt: skip


class Run:
    """The measurement of one path; whatever ends it, what was measured until then is kept."""

    def __init__(self, path: Path, wish: Wish, calibration: Calibration | None, fingerprint: str,
                 follow: Follow | None = None) -> None:  # fmt: skip
        self._path, self._wish, self._fingerprint = path, wish, fingerprint
        self._follow = follow or Follow()
        self._calibration = calibration
        self._goals: tuple[Goal, ...] = ()
        self._partial = ""
        self._begun = time.monotonic()
        self._trials = Trials(
            path, wish.traffic, wish.profile, self._begun + wish.budget_s, self._follow.trial, self._follow.begin
        )

    def measure(self) -> Measurement:
        """All of it; an interrupt or an error ends it early and is said in ``partial``."""
        try:
            self._measure()
        except BudgetSpent:
            self._partial = OUT_OF_BUDGET
        except KeyboardInterrupt:
            self._partial = INTERRUPTED
        except NfvcapError as error:
            self._partial = str(error)
        return self._result()

    def _measure(self) -> None:
        wish, trials = self._wish, self._trials
        if self._calibration is None:
            with self._path.point.capturing() if self._path.deaf else nullcontext():
                self._calibration = calibrate(self._path, wish.traffic, self._fingerprint)
        self._follow.calibrated(self._calibration)
        if wish.only_calibrate:
            return
        if trials.prove().verdict not in {Verdict.PASS, Verdict.WARN}:
            return  # nothing that follows could say more
        line, top = self._calibration.line_pps, self.max_pps(self._calibration)
        if wish.rate == "search":
            goals, self._partial = search(
                self._search_trial, wish.profile.goals, top, deadline=self._trials.deadline,
                warm_up_s=wish.profile.warm_up_s,
            )  # fmt: skip
            self._goals = goals
            return
        rate, phase = (line, "line rate") if wish.rate == "line" else (int(wish.rate), "fixed rate")
        trials.run("warm-up", min(rate, top), wish.profile.warm_up_s)
        if wish.profile.name == "burst":
            longest_burst(trials, rate, wish.profile)
            return
        phase = "soak" if wish.profile.name == "soak" else phase
        for _ in range(wish.profile.trials):
            trials.run(phase, rate, wish.profile.trial_s)  # type: ignore[arg-type]

    @staticmethod
    def max_pps(calibration: Calibration) -> int:
        """The highest rate that a search tries. A source that fills the link alone is limited by that link only."""
        line_pps, ceiling_pps = calibration.line_pps, calibration.ceiling_pps
        if ceiling_pps >= line_pps * (1 - SOURCE_TOLERANCE):
            return line_pps
        return int(ceiling_pps * USABLE_SHARE)

    def _search_trial(self, rate_pps: int, duration_s: float) -> Trial:
        first = not any(trial.phase in {"warm-up", "search"} for trial in self._trials.done)
        return self._trials.run("warm-up" if first else "search", rate_pps, duration_s)

    def _method(self) -> Method:
        """The profile's parameters, with what the user's options have made of them."""
        profile, searches = self._wish.profile, self._wish.rate == "search"
        # The quiet that is waited for is the path's where that is longer: frames may be on their way for so long.
        return Method(
            goals=profile.goals if searches else (), tried_below=BELOW if searches else (),
            max_pps=self.max_pps(self._calibration) if searches and self._calibration else None,
            trial_s=profile.trial_s, trials=profile.trials, warm_up_s=profile.warm_up_s,
            drain_s=max(profile.drain_s, self._path.drain_s), settle_s=profile.settle_s, retries=profile.retries,
        )  # fmt: skip

    def _deviations(self) -> Iterator[str]:
        yield from self._wish.profile.deviations
        if (drain_s := self._method().drain_s) < STANDARD_DRAIN_S:
            yield f"drain until {drain_s:g} s of silence instead of {STANDARD_DRAIN_S:g} s"
        if self._wish.traffic.file:
            yield UNNUMBERED

    def _result(self) -> Measurement:
        wish, path = self._wish, self._path
        soaked = wish.profile.name == "soak" and self._partial == OUT_OF_BUDGET  # its way to end
        command = getattr(path.source, "last_command", "")
        return Measurement(
            name=path.name, attachment=path.attachment, engine=path.engine, captured_in=path.captured_in,
            pf_driver=path.pf_driver, vfs=path.vfs, source=path.source.name, point=path.point.name,
            label=path.label, label_note=path.label_note,
            profile=wish.profile.name, method=self._method(), rate=wish.rate, at_least_pps=wish.at_least_pps,
            traffic=wish.traffic, calibration=self._calibration, trials=tuple(self._trials.done), goals=self._goals,
            deviations=tuple(self._deviations()),
            budget_s=wish.budget_s,
            took_s=round(time.monotonic() - self._begun, 3), partial="" if soaked else self._partial,
            commands=(command,) if command else (),
        )  # fmt: skip
