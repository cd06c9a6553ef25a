# SPDX-License-Identifier: Apache-2.0
"""The trend of a host for the terminal: one line per measurement, a sparkline per series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nfvcap.report.history import Point
from nfvcap.report.numbers import integer, mpps

_FILE_WIDTH = 160
_BARS = "▁▂▃▄▅▆▇█"


def write(host: str, points: Sequence[Point], stream: IO[str]) -> None:
    """Print all series, each oldest first."""
    console = Console(file=stream, highlight=False, width=None if stream.isatty() else _FILE_WIDTH)
    for series in dict.fromkeys(point.series for point in points):
        own = [point for point in points if point.series == series]
        console.print(Text.assemble((f"{host}  {series}", "bold"), "  ", sparkline(own)))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        for name, justify in (("when", "left"), ("verdict", "left"), ("no-drop rate", "right"), ("lost", "right"),
                              ("fingerprint", "left"), ("", "left")):  # fmt: skip
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for point in own:
            rate = "" if point.no_drop_pps is None else mpps(point.no_drop_pps)
            lost = f"{integer(point.lost)} of {integer(point.sent)}" if point.sent else ""
            table.add_row(point.created_at, point.verdict, rate, lost, point.fingerprint, point.regression,
                          style="red" if point.regression else None)  # fmt: skip
        console.print(table)


def sparkline(points: Sequence[Point]) -> str:
    """Rates as bars, the highest one full."""
    rates = [point.no_drop_pps or 0 for point in points]
    top = max(rates, default=0)
    return "".join(_BARS[min(7, rate * 8 // top)] if top else "" for rate in rates)
