# SPDX-License-Identifier: Apache-2.0
"""A comparison for the terminal."""

from __future__ import annotations

from typing import IO

from rich.console import Console
from rich.table import Table

from nfvcap.report.compare import Comparison
from nfvcap.report.numbers import integer

_FILE_WIDTH = 160


def write(comparison: Comparison, stream: IO[str], *, figures: bool) -> None:
    """Differences of the environments first: they say what the figures are worth."""
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else _FILE_WIDTH)
    if comparison.differences:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="environment", title_justify="left")
        for name in ("host", "what", "before", "after"):
            table.add_column(name, overflow="fold")
        for row in comparison.differences:
            table.add_row(row.host, row.what, row.before, row.after)
        console.print(table)
    else:
        console.print("environments: the same", style="dim")
    if figures and comparison.figures:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title="figures", title_justify="left")
        for name, justify in (("host", "left"), ("measured", "left"), ("figure", "left"), ("before", "right"),
                              ("after", "right"), ("", "left")):  # fmt: skip
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for figure in comparison.figures:
            before, after = ("–" if value is None else integer(value) for value in (figure.before, figure.after))
            table.add_row(figure.host, figure.series, figure.what, before, after, "worse" if figure.worse else "")
        console.print(table)
