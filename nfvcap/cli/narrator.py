# SPDX-License-Identifier: Apache-2.0
"""Measures a path and tells about it while that goes on: lines for people, messages for programs that follow along."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from nfvcap.cli.output import paint, say
from nfvcap.model.measurement import Calibration, Measurement, Phase, Trial
from nfvcap.report.jsonl import Events
from nfvcap.report.numbers import integer, mpps, percent, seconds
from nfvcap.report.offered import offered
from nfvcap.verify.packets.path import Path
from nfvcap.verify.packets.run import Follow, Run, Wish, now


def measure(
    host: str, path: Path, wish: Wish, *, calibration: Calibration | None, fingerprint: str, events: Events | None
) -> Measurement:
    """Run a measurement; whatever ends it, what was measured until then is told and returned.

    Args:
        host: whose path it is.
        path: to be measured.
        wish: what is asked for.
        calibration: of an earlier run; None: the source is calibrated now.
        fingerprint: of the environment.
        events: who follows along; None: people alone, who read standard error.
    """
    path = replace(path, name=path.name + wish.behind)
    if events is not None:
        events.measurement_begin(host, path.name, created_at=now(), traffic=wish.traffic, profile=wish.profile.name,
                                 rate=wish.rate, source=path.source.name)  # fmt: skip
    measurement = Run(path, wish, calibration, fingerprint, Narrator(host, path.name, events).follow()).measure()
    if events is not None:
        events.measurement_end(host, measurement)
    return measurement


@dataclass(frozen=True)
class Narrator:
    """One line per trial on standard error; the words of a result go to standard output, later."""

    host: str
    name: str
    events: Events | None = None

    def follow(self) -> Follow:
        return Follow(self._begin, self._trial, self._calibrated)

    def _calibrated(self, calibration: Calibration) -> None:
        if self.events is not None:
            self.events.calibration(self.host, self.name, calibration)
        share = percent(calibration.ceiling_pps, calibration.line_pps, 1)
        say(
            f"source     {mpps(calibration.ceiling_pps):>12}  alone; line rate {mpps(calibration.line_pps)} "
            f"({calibration.link_mbps / 1000:g} Gb/s): {share}"
        )

    @staticmethod
    def _begin(phase: Phase, rate_pps: int, packets: int) -> None:
        if sys.stderr.isatty():
            took = seconds(packets / rate_pps) if rate_pps else "?"
            sys.stderr.write(f"{phase:<10} {mpps(rate_pps):>12}  {integer(packets)} frames, {took} …\r")
            sys.stderr.flush()

    def _trial(self, trial: Trial) -> None:
        if self.events is not None:
            self.events.trial(self.host, self.name, trial)
        line = f"{trial.phase:<10} {mpps(offered(trial)):>12}  lost {integer(trial.lost)} of {integer(trial.sent)}"
        where = ", ".join(f"{term.title}: {integer(term.packets)}" for term in trial.waterfall.terms if term.packets)
        reason = "" if trial.lost else trial.reason
        say(f"{line:<60} {paint(str(trial.verdict), str(trial.verdict))}  {where or reason}".rstrip())
