# SPDX-License-Identifier: Apache-2.0
"""One HTML file that opens offline: no script, picture or font from elsewhere; light or dark as the reader likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nfvcap.model.measurement import Term, Waterfall
from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.model.units import format_size
from nfvcap.report import matrix, study
from nfvcap.report.numbers import at_most, integer, mpps, ratio, seconds, span
from nfvcap.report.tally import ORDER, counts, host_sentence, is_bad, sentence
from nfvcap.report.view import cores, view

PAGE = Path(__file__).with_name("page")


def document(result: Result, *, strict: bool = False) -> str:
    """The whole result as an HTML page."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True, loader=FileSystemLoader(PAGE),
        trim_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "integer": integer, "mpps": mpps, "ratio": ratio, "seconds": seconds, "span": span, "before": _before,
        "hugepages": _hugepages, "at_most": at_most,
    }  # fmt: skip

    def about(host: HostResult) -> str:
        return host_sentence(host, strict)

    def rows(host: HostResult) -> list[tuple[bool, matrix.Row]]:
        skipped = {check.subject: check.reason for check in host.checks if check.id == "NFV-PKT-020"}
        made = matrix.rows(host.measurements, skipped)
        return [(any(cell.ours for cell in row.cells), row) for row in made]

    style = Markup((PAGE / "style.css").read_text(encoding="utf-8"))
    words: dict[str, Any] = {"result": result, "style": style, "title": ", ".join(host.host for host in result.hosts)}
    return environment.get_template("page.html.j2").render(
        words, sentence=sentence(result, strict), host_sentence=about, overall=_overall(result, strict), view=view,
        matrix=rows, cores=cores, study=study.SOURCE, measured=any(host.measurements for host in result.hosts),
        grouped=_grouped, verdict_of=lambda host: _verdict([host], strict),
    )  # fmt: skip


def _overall(result: Result, strict: bool) -> Verdict:
    return _verdict(list(result.hosts), strict)


def _verdict(hosts: list[HostResult], strict: bool) -> Verdict:
    """The gravest verdict that counts; PASS when the worst is a warning that does not."""
    checks = [check for host in hosts for check in host.checks]
    numbers = counts(checks)
    gravest = next((verdict for verdict in ORDER if numbers[verdict] and verdict is not Verdict.SKIP), Verdict.SKIP)
    if gravest is Verdict.WARN:
        return Verdict.FAIL if any(is_bad(check, strict) for check in checks) else Verdict.WARN
    return gravest


def _hugepages(node: dict[str, Any]) -> str:
    """``16 huge pages of 1 GiB``; of a node as :mod:`nfvcap.verify.packets.machine` reads it."""
    there = {name: count for name, count in node["hugepages"].items() if count}
    sizes = {name: format_size(int(name.removesuffix("kB")) * 1024) for name in there}
    return ", ".join(f"{count} huge pages of {sizes[name]}" for name, count in there.items()) or "no huge pages"


def _grouped(checks: list[Check]) -> list[list[Check]]:
    """Checks that differ by nothing but what they looked at are one thing to look at."""
    groups: dict[tuple[str, ...], list[Check]] = {}
    for check in checks:
        key = (check.id, str(check.verdict), check.found, check.wanted, check.reason, check.fix)
        groups.setdefault(key, []).append(check)
    return list(groups.values())


def _before(fall: Waterfall, term: Term) -> float:
    """Percent of the bar that lies to the right of a loss: what was lost before it."""
    before = 0
    for other in fall.terms:
        if other.key == term.key:
            break
        before += other.packets or 0
    return before * 100 / fall.sent if fall.sent else 0.0
