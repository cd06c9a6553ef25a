# SPDX-License-Identifier: Apache-2.0
"""The heat table: attachment × engine × PF driver × VFs against traffic, with the study's figure beside each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfvcap.model.measurement import Measurement
from nfvcap.report.measured import load_of
from nfvcap.report.numbers import integer, mpps, percent
from nfvcap.report.study import ROWS, Published, row_of

SMALL, AVERAGE = "64 B", "965 B mean"


@dataclass(frozen=True)
class Cell:
    """Ours on the left, the study's on the right; empty: none."""

    ours: str = ""
    detail: str = ""
    heat: int = -1  # 0 (nothing captured) to 10 (everything); -1: not measured
    published: str = ""
    note: str = ""


@dataclass(frozen=True)
class Row:
    attachment: str
    engine: str
    pf_driver: str
    vfs: int
    cells: tuple[Cell, Cell]


def rows(measurements: Sequence[Measurement]) -> list[Row]:
    """Ours first, then what only the study has."""
    made: dict[tuple[str, str, str, int], Row] = {}
    for m in measurements:
        key = (m.attachment, m.engine, m.pf_driver, m.vfs if m.attachment == "virtual function" else 0)
        old = made.get(key) or _published(key, row_of(*key))
        column = _column(m)
        if column is not None:
            cells = list(old.cells)
            cells[column] = _ours(m, cells[column])
            old = Row(*key, (cells[0], cells[1]))
        made[key] = old
    for row in ROWS:
        key = (row.attachment, row.engine, row.pf_driver, row.vfs)
        made.setdefault(key, _published(key, row))
    return list(made.values())


def _published(key: tuple[str, str, str, int], row: Published | None) -> Row:
    if row is None:
        return Row(*key, (Cell(), Cell()))
    return Row(*key, (Cell(published=row.small, note=row.note), Cell(published=row.average, note=row.note)))


def _column(m: Measurement) -> int | None:
    return {"64": 0, "965": 1}.get(m.traffic.name)


def _ours(m: Measurement, cell: Cell) -> Cell:
    """Captured share at the line rate where that was tried, else the share of the line rate that is captured whole."""
    line = m.calibration.line_pps if m.calibration else 0
    load = load_of(m)
    at_line = [trial for trial in load if line and trial.intended_pps >= line - 1]
    if at_line:
        sent, lost = sum(trial.sent for trial in at_line), sum(trial.lost for trial in at_line)
        share = (sent - lost) * 10 // sent if sent else -1
        words, detail = percent(sent - lost, sent, 1), f"{integer(lost)} of {integer(sent)} lost at line rate"
    elif m.goals and m.goals[0].lower_pps is not None:
        share = min(10, m.goals[0].lower_pps * 10 // line) if line else -1
        words = f"≥ {percent(m.goals[0].lower_pps, line, 1)}"
        detail = f"{mpps(m.goals[0].lower_pps)} without loss; the source is no faster"
    else:
        return cell
    return Cell(words, detail, share, cell.published, cell.note)
