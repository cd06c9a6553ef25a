# SPDX-License-Identifier: Apache-2.0
"""What is said first about a host that was measured: the weakest path with its figure, and everything that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult, Verdict
from nfvcap.report.measured import load_of, measured

# From grave to harmless: the order in which verdicts are counted up.
ORDER = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.SKIP, Verdict.PASS)
_PATH = "NFV-PKT-002"
"""The check that fails when a path could not even be tried."""
_LISTED = 5


def headline(host: HostResult, bad: Sequence[Check]) -> str:
    """One or two sentences.

    Args:
        host: with measurements, or with paths that could not be tried.
        bad: those of its checks that count against it.
    """
    parts = [f"{host.host}: {_figure(host)}"]
    untried = [check.subject for check in bad if check.id == _PATH and _of(check, host.measurements) is None]
    if untried:
        parts.append(f"Not measured: {', '.join(dict.fromkeys(untried))}.")
    if bad:
        parts.append(f"{counted(bad)} ({named(bad)}).")
    return " ".join(parts)


def counted(checks: Iterable[Check]) -> str:
    """``2 FAIL, 1 SKIP, 113 PASS``."""
    numbers = Counter(check.verdict for check in checks)
    return ", ".join(f"{numbers[verdict]} {verdict}" for verdict in ORDER if numbers[verdict]) or "no checks"


def named(bad: Sequence[Check]) -> str:
    """``NFV-STATE-030, NFV-PKT-010``; a few of many."""
    ids = list(dict.fromkeys(check.id for check in bad))
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more


def weakest(host: HostResult) -> Measurement:
    """The one with the gravest verdict; among equals the one that captured the smallest share, then the slowest."""
    return min(host.measurements, key=lambda m: (_gravity(m, host), _captured(m), _whole(m)))


def _figure(host: HostResult) -> str:
    if not host.measurements:
        return "nothing was measured."
    if len(host.measurements) == 1:
        return measured(host.measurements[0])
    m = weakest(host)
    return f"{len(host.measurements)} paths were measured, the weakest is {m.name}: {measured(m)}"


def _of(check: Check, measurements: Sequence[Measurement]) -> Measurement | None:
    """Which measurement a check is about: its subject begins with the name of it."""
    own = [m for m in measurements if check.subject == m.name or check.subject.startswith(f"{m.name} ")]
    return max(own, key=lambda m: len(m.name), default=None)


def _gravity(m: Measurement, host: HostResult) -> int:
    own = [check for check in host.checks if check.id.startswith("NFV-PKT-") and _of(check, host.measurements) is m]
    return min((ORDER.index(check.verdict) for check in own), default=len(ORDER))


def _captured(m: Measurement) -> float:
    """Share of what was sent; of a search everything, because it looks for loss."""
    trials = [] if m.goals else load_of(m) or list(m.trials)
    sent = sum(trial.sent for trial in trials)
    return 1 - sum(trial.lost for trial in trials) / sent if sent else 1.0


def _whole(m: Measurement) -> float:
    """What a search has found, as a share of the line rate."""
    if not m.goals or m.calibration is None or not m.calibration.line_pps:
        return 1.0
    return (m.goals[0].lower_pps or 0) / m.calibration.line_pps
