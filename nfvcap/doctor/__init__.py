# SPDX-License-Identifier: Apache-2.0
"""Is a machine fit for the job? What was found, what is wanted, how to fix it."""

from __future__ import annotations

from nfvcap import catalogue
from nfvcap.model.result import Check, Verdict


def finding(check_id: str, verdict: Verdict, found: str, wanted: str, *, subject: str = "", fix: str = "") -> Check:
    """A check in the words of the catalogue; ``fix`` says it more precisely when the case at hand allows that."""
    entry = catalogue.load()[check_id]
    return Check(
        id=check_id,
        subject=subject,
        title=entry.title,
        verdict=verdict,
        found=found,
        wanted=wanted,
        fix="" if verdict in (Verdict.PASS, Verdict.SKIP) else fix or entry.fix,
        reason=found if verdict is Verdict.SKIP else "",
    )
