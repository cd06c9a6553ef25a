# SPDX-License-Identifier: Apache-2.0
"""JUnit XML: one suite per host, one case per check and subject, under names that never change with what is found."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.report.tally import is_bad

# Control characters that XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(result: Result, *, strict: bool = False) -> str:
    """The whole result as XML text."""
    root = ET.Element("testsuites", name="nfvcap")
    for host in result.hosts:
        for kind in dict.fromkeys(_kind(check) for check in host.checks) or ["state"]:
            root.append(_suite(host, kind, result.created_at, strict))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.6f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _kind(check: Check) -> str:
    return "packets" if check.id.startswith("NFV-PKT-") else "state"


def _suite(host: HostResult, kind: str, created_at: str, strict: bool) -> ET.Element:
    checks = [check for check in host.checks if _kind(check) == kind]
    cases = [_case(host.host, check, strict) for check in checks]
    suite = ET.Element("testsuite", name=f"nfvcap.{kind}.{host.host}", hostname=host.host)
    suite.set("timestamp", created_at.removesuffix("Z"))  # the schema knows no time zone here
    suite.set("tests", str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(_having(cases, tag)))
    suite.set("time", f"{_took_s(host, kind, checks):.6f}")
    properties = ET.SubElement(suite, "properties")
    for key, value in host.environment.items():
        if isinstance(value, str):
            ET.SubElement(properties, "property", name=key, value=_clean(value))
    suite.extend(cases)
    return suite


def _took_s(host: HostResult, kind: str, checks: list[Check]) -> float:
    measured = sum(measurement.took_s for measurement in host.measurements) if kind == "packets" else 0.0
    return measured + sum(check.duration_s for check in checks)


def _having(cases: Iterable[ET.Element], tag: str) -> int:
    return sum(1 for case in cases if case.find(tag) is not None)


def _case(host: str, check: Check, strict: bool) -> ET.Element:
    name = f"{check.id} {check.subject}".strip()
    case = ET.Element(
        "testcase", classname=f"nfvcap.{_kind(check)}.{host}", name=_clean(name), time=f"{check.duration_s:.6f}"
    )
    message = f"{check.title}: found {check.found or 'nothing'}, wanted {check.wanted or 'more'}"
    if check.verdict is Verdict.SKIP:
        ET.SubElement(case, "skipped", message=_clean(check.reason))
    elif check.verdict in {Verdict.ERROR, Verdict.INCONCLUSIVE}:
        words = f"{check.title}: {check.reason or check.found}"
        ET.SubElement(case, "error", type=str(check.verdict), message=_clean(words)).text = _clean(_body(host, check))
    elif is_bad(check, strict):
        ET.SubElement(case, "failure", type=str(check.verdict), message=_clean(message)).text = _clean(
            _body(host, check)
        )
    elif check.verdict is Verdict.WARN:
        ET.SubElement(case, "system-out").text = _clean("WARN " + _body(host, check))
    return case


def _body(host: str, check: Check) -> str:
    """Everything that is needed to act, for someone who sees nothing but this text."""
    subject = f" ({check.subject})" if check.subject else ""
    parts = [("found", check.found), ("wanted", check.wanted), ("reason", check.reason), ("fix", check.fix)]
    lines = [f"{check.id} on {host}: {check.title}{subject}", *(f"{name}: {words}" for name, words in parts if words)]
    return "\n".join([*lines, f"more: nfvcap explain {check.id}"])


def _clean(text: str) -> str:
    return _ILLEGAL.sub("�", text)
