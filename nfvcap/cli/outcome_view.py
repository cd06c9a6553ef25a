# SPDX-License-Identifier: Apache-2.0
"""How a run ended, host by host: the last thing that a changing verb shows."""

from __future__ import annotations

from collections.abc import Iterable

from nfvcap.apply.provision import HostRun
from nfvcap.cli.output import paint, plural
from nfvcap.cli.table import columns
from nfvcap.errors import ExitCode
from nfvcap.model.result import Verdict

_WORDS = {
    ExitCode.OK: ("ok", "PASS"),
    ExitCode.CHANGES_PENDING: ("pending", "WARN"),
    ExitCode.CHECK_FAILED: ("failed", "FAIL"),
    ExitCode.INCONCLUSIVE: ("unclear", "WARN"),
    ExitCode.UNREACHABLE: ("unreachable", "FAIL"),
    ExitCode.REBOOT_REQUIRED: ("reboot needed", "WARN"),
    ExitCode.INTERRUPTED: ("interrupted", "WARN"),
}


def render(runs: Iterable[HostRun], done: str = "applied") -> list[str]:
    """A table of hosts, then the errors in full; ``done`` is what happened to changes."""
    known = list(runs)
    rows = [(run.host, _WORDS.get(run.code, ("failed", "FAIL"))[0], _detail(run, done)) for run in known]
    lines = columns(
        rows, wide=2,
        paint=lambda row, at, text: paint(text, _WORDS.get(known[row].code, ("", "FAIL"))[1]) if at == 1 else text,
    )  # fmt: skip
    shown = set()
    for run in known:
        # One crash of a process is the outcome of several hosts, and is told once.
        if run.error is not None and str(run.error) not in shown:
            lines += ["", str(run.error)]
            shown.add(str(run.error))
    return lines


def _detail(run: HostRun, done: str) -> str:
    if run.interrupted:
        return "run the same command again: it goes on where the host stands now"
    if run.error is not None:
        return run.error.code
    parts = []
    if run.pending:
        parts.append(f"{plural(run.changes, 'change')} not {done}")
    elif run.changes:
        parts.append(f"{plural(run.changes, 'change')} {done}")
    else:
        parts.append("nothing to change")
    if run.rebooted:
        parts.append("rebooted once")
    if run.result is not None:
        parts.append(_checks([check.verdict for check in run.result.checks]))
    return ", ".join(parts)


def _checks(verdicts: list[Verdict]) -> str:
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdicts.count(verdict)]
    return "checks: " + (" ".join(counts) or "none")
