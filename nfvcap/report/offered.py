# SPDX-License-Identifier: Apache-2.0
"""At which rate frames really came: what a source was asked for says nothing about what it did."""

from __future__ import annotations

from collections.abc import Sequence

from nfvcap.model.measurement import SOURCE_TOLERANCE, Trial
from nfvcap.report.numbers import integer, mpps


def offered(trial: Trial) -> int:
    """Packets a second of one trial; the rate that was asked for where the source kept to it."""
    return _rate(trial.offered_pps, trial.intended_pps)


def offered_by(trials: Sequence[Trial]) -> int:
    """Mean rate of several trials, in packets a second; 0 without trials."""
    if not trials:
        return 0
    took_ns = sum(trial.duration_ns for trial in trials)
    mean = sum(max(0, trial.sent - 1) for trial in trials) * 1_000_000_000 // took_ns if took_ns else 0
    wanted = {trial.intended_pps for trial in trials}
    return _rate(mean, wanted.pop()) if len(wanted) == 1 else mean or max(wanted)


def under_run(trials: Sequence[Trial]) -> str:
    """That the source did less than it was asked for, in words; "" when it did not."""
    limited = [trial for trial in trials if trial.source_limited]
    if not limited:
        return ""
    if slow := [trial for trial in limited if offered(trial) < trial.intended_pps]:
        return f"the source under-ran: {mpps(max(trial.intended_pps for trial in slow))} were asked for"
    sent, asked = sum(trial.sent for trial in limited), sum(trial.intended_packets for trial in limited)
    return f"the source sent {integer(sent)} of {integer(asked)} frames"


def _rate(offered_pps: int, intended_pps: int) -> int:
    return (
        offered_pps
        if offered_pps and abs(offered_pps - intended_pps) > SOURCE_TOLERANCE * intended_pps
        else intended_pps
    )
