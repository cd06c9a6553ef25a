# SPDX-License-Identifier: Apache-2.0
"""Figures for the textfile collector of Prometheus's node exporter."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from nfvcap.model.measurement import Measurement
from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.report.measured import load_of
from nfvcap.report.numbers import ratio
from nfvcap.report.tally import counts, exit_code

_HELP = {
    "nfvcap_verify_exit_code": "Exit code of the run: 0 good, 4 a check failed, 5 inconclusive, 6 unreachable.",
    "nfvcap_verify_timestamp_seconds": "When the run ended, in seconds since 1970.",
    "nfvcap_verify_checks": "Checks by verdict.",
    "nfvcap_verify_no_drop_pps": "Highest rate that met the goal of the search, in packets per second.",
    "nfvcap_verify_line_rate_pps": "What the link can carry, in packets per second.",
    "nfvcap_verify_source_pps": "What the source sends alone, in packets per second: the measured ceiling.",
    "nfvcap_verify_sent_packets": "Numbered frames sent under load.",
    "nfvcap_verify_lost_packets": "Frames that were sent and are not in the closed file, by where they were lost.",
    "nfvcap_verify_partial": "1 when the measurement ended early.",
}
Sample = tuple[str, dict[str, str], float]


def document(result: Result, *, strict: bool = False) -> str:
    """The whole result in the text exposition format."""
    samples = list(_samples(result, strict))
    lines = []
    for name, text in _HELP.items():
        own = [sample for sample in samples if sample[0] == name]
        if own:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(_line(*sample) for sample in own)]
    return "\n".join(lines) + "\n"


def _samples(result: Result, strict: bool) -> Iterator[Sample]:
    yield "nfvcap_verify_exit_code", {}, int(exit_code(result, strict))
    when = datetime.datetime.fromisoformat(result.created_at.replace("Z", "+00:00"))
    yield "nfvcap_verify_timestamp_seconds", {}, when.timestamp()
    for host in result.hosts:
        numbers = counts(host.checks)
        for verdict in Verdict:
            yield "nfvcap_verify_checks", {"host": host.host, "verdict": str(verdict)}, numbers[verdict]
        for measurement in host.measurements:
            yield from _measurement(host, measurement)


def _measurement(host: HostResult, m: Measurement) -> Iterator[Sample]:
    labels = {"host": host.host, "path": m.name, "traffic": m.traffic.name}
    for goal in m.goals:
        if goal.lower_pps is not None or goal.verdict is Verdict.FAIL:  # no rate is 0, and an alert has to hear that
            yield "nfvcap_verify_no_drop_pps", {**labels, "loss_ratio": ratio(goal.loss_ratio)}, goal.lower_pps or 0
    if m.calibration is not None:
        yield "nfvcap_verify_line_rate_pps", labels, m.calibration.line_pps
        yield "nfvcap_verify_source_pps", labels, m.calibration.ceiling_pps
    load = load_of(m)
    yield "nfvcap_verify_sent_packets", labels, sum(trial.sent for trial in load)
    lost: dict[str, int] = {}
    for trial in load:
        for term in trial.waterfall.terms:
            lost[term.key] = lost.get(term.key, 0) + (term.packets or 0)
        lost["unexplained"] = lost.get("unexplained", 0) + trial.waterfall.residual
    for where, packets in lost.items():
        yield "nfvcap_verify_lost_packets", {**labels, "where": where}, packets
    yield "nfvcap_verify_partial", labels, int(bool(m.partial))


def _line(name: str, labels: dict[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = f"{value:.0f}" if value == int(value) else repr(value)
    return f"{name}{{{inside}}} {number}" if inside else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
