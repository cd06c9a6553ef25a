# SPDX-License-Identifier: Apache-2.0
"""JSON lines: one message per line for programs that follow along; the first names the schema, the last the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nfvcap.model.measurement import Calibration, Measurement, Traffic, Trial
from nfvcap.model.result import HostResult, Result
from nfvcap.report.measured import measured
from nfvcap.report.tally import counts, exit_code, sentence

SCHEMA = "nfvcap/verify-events/1"


@dataclass
class Events:
    """Messages in their order; those of a measurement are written while it goes on, or when the result is there.

    Args:
        write: takes a line.
        version: of nfvcap.
    """

    write: Callable[[str], None]
    version: str
    _begun: bool = False
    _followed: bool = False

    def begin(self, created_at: str) -> None:
        """The first message; the moment is that of its writing, or of the result that is told again."""
        if not self._begun:
            self._begun = True
            self._line("begin", schema=SCHEMA, nfvcap_version=self.version, created_at=created_at)

    def measurement_begin(
        self, host: str, name: str, *, created_at: str, traffic: Traffic, profile: str, rate: str, source: str
    ) -> None:
        """A path is going to be measured."""
        self._followed = True
        self.begin(created_at)
        self._line("measurement-begin", host=host, measurement=name, traffic=traffic.name, profile=profile, rate=rate,
                   source=source)  # fmt: skip

    def calibration(self, host: str, name: str, calibration: Calibration) -> None:
        """What the source does alone, before the first trial."""
        self._line("calibration", host=host, measurement=name, **calibration.model_dump(mode="json"))

    def trial(self, host: str, name: str, trial: Trial) -> None:
        """A trial has ended; one that is made again is told again, under a number of its own."""
        self._line("trial", host=host, measurement=name, **trial.model_dump(mode="json"))

    def measurement_end(self, host: str, m: Measurement) -> None:
        """A path was measured: the rates that were found, and why it ended early if it did."""
        goals = [goal.model_dump(mode="json") for goal in m.goals]
        self._line("measurement-end", host=host, measurement=m.name, goals=goals, partial=m.partial, took_s=m.took_s,
                   trials=len(m.trials), summary=measured(m))  # fmt: skip

    def end(self, result: Result, *, strict: bool = False) -> None:
        """For each host its measurements unless they were followed, its checks and its verdict; then the exit code."""
        self.begin(result.created_at)
        followed = self._followed
        for host in result.hosts:
            if not followed:
                self._again(host, result.created_at)
            for check in host.checks:
                self._line("check", host=host.host, **check.model_dump(mode="json"))
            numbers = {str(verdict): count for verdict, count in sorted(counts(host.checks).items())}
            self._line(
                "host", host=host.host, environment=host.environment, counts=numbers, exit_code=int(host.exit_code)
            )
        self._line("end", exit_code=int(exit_code(result, strict)), summary=sentence(result, strict))

    def _again(self, host: HostResult, created_at: str) -> None:
        for m in host.measurements:
            self.measurement_begin(host.host, m.name, created_at=created_at, traffic=m.traffic, profile=m.profile,
                                   rate=m.rate, source=m.source)  # fmt: skip
            if m.calibration is not None:
                self.calibration(host.host, m.name, m.calibration)
            for trial in m.trials:
                self.trial(host.host, m.name, trial)
            self.measurement_end(host.host, m)

    def _line(self, event: str, **fields: Any) -> None:
        self.write(json.dumps({"event": event, **fields}, ensure_ascii=False))


def lines(result: Result, *, strict: bool = False) -> Iterator[str]:
    """A result that is there, told in the same order in which it was measured."""
    said: list[str] = []
    Events(said.append, result.nfvcap_version).end(result, strict=strict)
    yield from said
