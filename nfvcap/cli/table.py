# SPDX-License-Identifier: Apache-2.0
"""Aligned columns for terminals; what does not fit is wrapped in its column, and never cut."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence

_GAP = "  "
_NARROWEST = 24
_WIDEST = 56


def columns(
    rows: Sequence[Sequence[str]],
    *,
    wide: int,
    indent: str = "",
    paint: Callable[[int, int, str], str] = lambda _row, _column, text: text,
    notes: Sequence[Sequence[str]] = (),
) -> list[str]:
    """Lines of a table.

    Args:
        rows: cells without colour; all rows of the same length.
        wide: the column that gives way when the lines get too long.
        indent: put before each line.
        paint: colours a piece of a cell, given its row and column.
        notes: for each row the lines that follow it.
    """
    if not rows:
        return []
    widths = [max(1, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    widths = [width if column == wide else min(width, _WIDEST) for column, width in enumerate(widths)]
    spare = terminal_width() - len(indent) - sum(widths) - len(_GAP) * (len(widths) - 1)
    widths[wide] = max(min(widths[wide], _NARROWEST), widths[wide] + min(0, spare))
    lines = []
    for number, row in enumerate(rows):
        cells = [textwrap.wrap(text, widths[at], break_on_hyphens=False) or [""] for at, text in enumerate(row)]
        for piece in range(max(map(len, cells))):
            texts = [cell[piece] if piece < len(cell) else "" for cell in cells]
            parts = [paint(number, at, text) + " " * (widths[at] - len(text)) for at, text in enumerate(texts)]
            lines.append((indent + _GAP.join(parts)).rstrip())
        lines += notes[number] if notes else ()
    return lines


def terminal_width() -> int:
    """Columns of the terminal; practically unlimited when the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or sys.stderr.isatty() else 10_000
