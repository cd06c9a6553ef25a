# SPDX-License-Identifier: Apache-2.0
"""The verdict table for people: counts per area, the bad ones in full, one sentence last."""

from __future__ import annotations

from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.report.packets_table import blocks
from nfvcap.report.tally import ORDER, area, counts, host_sentence, is_bad, sentence

_STYLE = {
    Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.ERROR: "bold red",
    Verdict.INCONCLUSIVE: "magenta", Verdict.SKIP: "dim",
}  # fmt: skip
# Output that goes to a file or a pipe is not cut to the width of a terminal that is not there.
_FILE_WIDTH = 160


def write(result: Result, stream: IO[str], *, strict: bool = False, everything: bool = False) -> None:
    """Print a result for people; ``everything`` lists the passed checks one by one as well."""
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else _FILE_WIDTH)
    for host in result.hosts:
        if host.environment:
            console.print(_head(host))
            console.print(_summary(host))
        for measurement in host.measurements:
            for block in blocks(measurement):
                console.print(block)
        for check in host.checks:
            if everything or check.verdict is not Verdict.PASS:
                console.print(_detail(check), soft_wrap=True)
        if len(result.hosts) > 1:
            console.print(_closing(host_sentence(host, strict), [host], strict))
            console.print()
    console.print(_closing(sentence(result, strict), result.hosts, strict))


def _head(host: HostResult) -> Text:
    said = [str(host.environment[key]) for key in ("machine", "os", "kernel", "cpu") if host.environment.get(key)]
    return Text.assemble((host.host, "bold"), "  ", (" · ".join(said), "dim"))


def _summary(host: HostResult) -> Table:
    shown = [verdict for verdict in reversed(ORDER) if counts(host.checks)[verdict]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  checks", style="dim")
    for verdict in shown:
        table.add_column(str(verdict), justify="right", style=_STYLE[verdict])
    for name in dict.fromkeys(area(check) for check in host.checks):
        numbers = counts(check for check in host.checks if area(check) == name)
        table.add_row("  " + name, *(str(numbers[verdict] or "·") for verdict in shown))
    return table


def _detail(check: Check) -> Text:
    head = f"{check.id}  {check.title}" + (f": {check.subject}" if check.subject else "")
    text = Text.assemble("  ", (f"{check.verdict:<5}", _STYLE[check.verdict]), " ", head)
    parts = [("found", check.found), ("wanted", check.wanted), ("reason", check.reason), ("fix", check.fix)]
    if check.verdict is Verdict.PASS:
        parts = parts[:1]
    for name, words in parts:
        if words:
            text.append(f"\n        {name:<7}", "dim").append(words.replace("\n", "\n" + " " * 15))
    return text


def _closing(words: str, hosts: list[HostResult] | tuple[HostResult, ...], strict: bool) -> Text:
    bad = any(host.blocked is not None or any(is_bad(check, strict) for check in host.checks) for host in hosts)
    warned = any(check.verdict is Verdict.WARN for host in hosts for check in host.checks)
    return Text(words, "bold red" if bad else "bold yellow" if warned else "bold green")
