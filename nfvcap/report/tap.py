# SPDX-License-Identifier: Apache-2.0
"""TAP: version 13, which every consumer reads (version 14 is a superset that `prove` of today's systems refuses)."""

from __future__ import annotations

import json

from nfvcap.model.result import Check, Result, Verdict
from nfvcap.report.tally import is_bad


def document(result: Result, *, strict: bool = False) -> str:
    """The whole result as TAP; a warning is ``ok`` with its words below, unless ``strict``."""
    rows = [(host.host, check) for host in result.hosts for check in host.checks]
    lines = ["TAP version 13", f"1..{len(rows)}"]
    for number, (host, check) in enumerate(rows, 1):
        word = "not ok" if is_bad(check, strict) else "ok"
        subject = f" {check.subject}" if check.subject else ""
        description = _plain(f"{host} {check.id}{subject}: {check.title}")
        skip = f" # SKIP {_plain(check.reason)}" if check.verdict is Verdict.SKIP else ""
        lines.append(f"{word} {number} - {description}{skip}")
        if check.verdict not in {Verdict.PASS, Verdict.SKIP}:
            lines += _diagnostic(check)
    return "\n".join(lines) + "\n"


def _diagnostic(check: Check) -> list[str]:
    """YAML block; a JSON string is a YAML string."""
    fields = {"verdict": str(check.verdict), "found": check.found, "wanted": check.wanted}
    fields |= {"reason": check.reason, "fix": check.fix}
    return [
        "  ---",
        *(f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items() if value),
        "  ...",
    ]


def _plain(text: str) -> str:
    """A description is one line, and ``#`` would begin a directive."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("#", "\\#")
