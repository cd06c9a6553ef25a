# SPDX-License-Identifier: Apache-2.0
"""A measurement in one sentence: the answer first, lost packets before percentages."""

from __future__ import annotations

from nfvcap.model.measurement import Goal, Measurement, Trial
from nfvcap.model.verdict import Verdict
from nfvcap.report.numbers import integer, mpps, percent
from nfvcap.report.offered import offered_by, under_run

LOAD = ("search", "line rate", "fixed rate", "soak", "burst")


def load_of(m: Measurement) -> list[Trial]:
    """The trials that count."""
    return [trial for trial in m.trials if trial.phase in LOAD and not trial.superseded]


def frames_of(m: Measurement) -> str:
    """``64-byte frames``; ``frames of 965 bytes on average``."""
    if len(set(m.traffic.sizes_bytes)) == 1:
        return f"{m.traffic.sizes_bytes[0]}-byte frames"
    return f"frames of {m.traffic.mean_bytes:.0f} bytes on average"


NOT_IN_A_GUEST = "captured on the host, not in a guest"


def beside_guests(m: Measurement) -> str:
    """What has to be said of a virtual function that the host itself has: the study's figure is a guest's. "" else."""
    return NOT_IN_A_GUEST if m.attachment == "virtual function" and m.captured_in == "host" else ""


def attachment(m: Measurement) -> str:
    """How the packets come to who captures."""
    return ", ".join(filter(None, [m.attachment, beside_guests(m)]))


def measured(m: Measurement) -> str:
    """What can be said about one path."""
    words = _answer(m)
    return f"{words} The measurement is partial: {m.partial.splitlines()[0].rstrip('.')}." if m.partial else words


def _answer(m: Measurement) -> str:
    load = load_of(m)
    if why := _not_proven(m):
        return why
    if m.goals:
        return _searched(m, m.goals[0])
    if load and m.rate == "search":
        return f"the search for a rate was not finished: {len(load)} trials were made."
    if load:
        return _burst(m) if m.profile == "burst" else _fixed(m, load)
    if m.calibration is not None:
        return f"the source sends {mpps(m.calibration.ceiling_pps)} of {frames_of(m)} by itself."
    return "nothing was measured."


def _not_proven(m: Measurement) -> str:
    """What keeps a path from being measured at all; "" for nothing."""
    proof = [trial for trial in m.trials if trial.phase == "path proof"]
    if not proof:
        return ""
    if proof[-1].lost:
        return f"the path is broken: {proof[-1].recounted} of {proof[-1].sent} frames arrived."
    bad = proof[-1].verdict not in {Verdict.PASS, Verdict.WARN} and not load_of(m)
    return f"the path is not proven: {proof[-1].reason}." if bad else ""


def _burst(m: Measurement) -> str:
    from nfvcap.verify.packets.burst import found_by, whole_ones

    packets, repeats = found_by(m.trials)
    but = "".join(f"; {words}" for words in [under_run(whole_ones(m.trials))] if words)
    return f"bursts of up to {integer(packets)} {frames_of(m)} are captured whole ({repeats} of {repeats}){but}."


def _searched(m: Measurement, goal: Goal) -> str:
    line = m.calibration.line_pps if m.calibration else 0
    if not goal.lower_pps:
        return f"no rate was found at which no {frames_of(m)} are lost{_asked(m, line)}."
    share = f"{percent(goal.lower_pps, line, 1)} of the line rate"
    if goal.upper_pps is None:
        top = "the line rate" if goal.lower_pps >= line - 1 else f"{share}, the most that the source was asked for"
        said = f"at least {mpps(goal.lower_pps)} of {frames_of(m)} are captured without loss: {top}"
    else:
        doubt = " (inconclusive)" if goal.verdict is Verdict.INCONCLUSIVE else ""
        said = f"{mpps(goal.lower_pps)} of {frames_of(m)} are captured without loss{doubt}, {share}"
    return f"{said}{_asked(m, line if goal.lower_pps < line - 1 else 0)}."


def _asked(m: Measurement, line: int) -> str:
    """What would have been enough; the line rate needs no words."""
    if m.at_least_pps:
        return f"; {mpps(m.at_least_pps)} were asked for"
    return "; no rate was asked for" if line else ""


def _fixed(m: Measurement, load: list[Trial]) -> str:
    sent, lost = sum(trial.sent for trial in load), sum(trial.lost for trial in load)
    unsure = all(trial.verdict is Verdict.INCONCLUSIVE for trial in load)
    if unsure:
        return f"nothing can be said about {mpps(load[0].intended_pps)}: {load[0].reason}."
    rate, but = mpps(offered_by(load)), "".join(f"; {words}" for words in [under_run(load)] if words)
    if lost == 0:
        return f"no packet of {integer(sent)} was lost at {rate} of {frames_of(m)}{but}."
    captured = percent(sent - lost, sent)
    return (
        f"{integer(lost)} of {integer(sent)} packets were lost at {rate} of {frames_of(m)}: {captured} captured{but}."
    )
