# SPDX-License-Identifier: Apache-2.0
"""Counting verdicts, and the one sentence that sums a result up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nfvcap.errors import ExitCode, worst
from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.report.headline import ORDER, counted, headline, named

__all__ = ["BAD", "ORDER", "counted", "counts", "exit_code", "host_sentence", "is_bad", "sentence"]
BAD = frozenset({Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE})
_UNSENT = "NFV-PKT-003"
"""The check that warns when packets were wanted and no guest can get any."""

# Tens of the check number → what these checks are about.
_AREAS = (
    "records on the host", "kernel arguments", "IOMMU and VFIO", "huge pages", "CPUs and interrupts", "PFs and VFs",
    "attributes of VFs", "drivers of VFs", "KVM and libvirt", "protected NICs", "files of nfvcap",
)  # fmt: skip


def area(check: Check) -> str:
    """What a check is about, for grouping."""
    return area_of(check.id)


def area_of(check_id: str) -> str:
    """The same for an id."""
    number = check_id.rsplit("-", 1)[-1]
    tens = int(number) // 10 if check_id.startswith("NFV-STATE-") else len(_AREAS)
    if check_id.startswith("NFV-PKT-"):
        return "packets"
    return _AREAS[tens] if tens < len(_AREAS) else check_id.split("-")[1].lower()


def is_bad(check: Check, strict: bool = False) -> bool:
    """Does the check count against the host? With ``strict`` warnings do too."""
    return check.verdict in BAD or (strict and check.verdict is Verdict.WARN)


def exit_code(result: Result, strict: bool = False) -> ExitCode:
    """The result's exit code; with ``strict`` a warning counts as a failed check."""
    warned = strict and any(check.verdict is Verdict.WARN for host in result.hosts for check in host.checks)
    return worst(result.exit_code, ExitCode.CHECK_FAILED if warned else ExitCode.OK)


def counts(checks: Iterable[Check]) -> Counter[Verdict]:
    return Counter(check.verdict for check in checks)


def host_sentence(host: HostResult, strict: bool = False) -> str:
    """What is to be said about one host."""
    if host.blocked is ExitCode.UNREACHABLE:
        return f"{host.host} cannot be reached."
    if host.blocked is not None:
        return f"{host.host} cannot be read."
    if not host.environment:
        return f"{host.host} cannot be judged: {host.checks[0].found}."
    bad = [check for check in host.checks if is_bad(check, strict)]
    if host.measurements or any(check.id.startswith("NFV-PKT-") and check.id != _UNSENT for check in bad):
        return headline(host, bad)
    unsent = " No packet was sent: no guest can be measured." if any(c.id == _UNSENT for c in host.checks) else ""
    if not bad:
        return f"{host.host} is as planned: {counted(host.checks)}.{unsent}"
    return f"{host.host} is not as planned: {counted(host.checks)} ({named(bad)}).{unsent}"


def sentence(result: Result, strict: bool = False) -> str:
    """The last line of a report."""
    if len(result.hosts) == 1:
        return host_sentence(result.hosts[0], strict)
    as_wanted = "as wanted" if any(host.measurements for host in result.hosts) else "as planned"
    wrong = [h.host for h in result.hosts if h.blocked is not None or any(is_bad(c, strict) for c in h.checks)]
    good = len(result.hosts) - len(wrong)
    if not wrong:
        return f"All {good} hosts are {as_wanted}."
    return f"{good} of {len(result.hosts)} hosts are {as_wanted}; look at {', '.join(wrong)}."
