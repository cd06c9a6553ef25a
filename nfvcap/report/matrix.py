# SPDX-License-Identifier: Apache-2.0
"""The heat table: attachment × engine × PF driver × VFs against traffic, with the study's figure beside each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nfvcap.model.measurement import Measurement, Trial
from nfvcap.model.verdict import Verdict
from nfvcap.report.measured import beside_guests, load_of
from nfvcap.report.numbers import integer, mpps, percent
from nfvcap.report.offered import offered, offered_by, under_run
from nfvcap.report.study import ROWS, Published, row_of
from nfvcap.verify.packets.cells import KEYS, TRAFFICS, subject

SMALL, AVERAGE = "64 B", "965 B mean"


@dataclass(frozen=True)
class Cell:
    """Ours on the left, the study's on the right; empty: none."""

    ours: str = ""
    detail: str = ""
    aside: str = ""  # why ours and the study's are not of the same thing
    heat: int = -1  # 0 (nothing captured) to 10 (everything); -1: nothing is known about a saturated link
    path: str = ""  # whose figure it is
    share: float = 0.0  # that was captured, or at which nothing was lost
    published: str = ""
    note: str = ""
    skipped: str = ""  # why it was not measured


@dataclass(frozen=True)
class Row:
    attachment: str
    engine: str
    pf_driver: str
    vfs: int
    cells: tuple[Cell, Cell]


def rows(measurements: Sequence[Measurement], skipped: Mapping[str, str] | None = None) -> list[Row]:
    """Ours first, then what only the study has.

    Args:
        skipped: cells that the matrix could not measure, by their names, with why.
    """
    made: dict[tuple[str, str, str, int], Row] = {}
    for m in measurements:
        key = (m.attachment, m.engine, m.pf_driver, m.vfs if m.attachment == "virtual function" else 0)
        old = made.get(key) or _published(key, row_of(*key))
        column = _column(m)
        if column is not None:
            cells = list(old.cells)
            mine = _ours(m, _published(key, row_of(*key)).cells[column])
            mine = replace(mine, aside=beside_guests(m) if mine.ours else "")
            cells[column] = _weaker(cells[column], replace(mine, path=m.name))
            old = Row(*key, (cells[0], cells[1]))
        made[key] = old
    for row in ROWS:
        key = (row.attachment, row.engine, row.pf_driver, row.vfs)
        made.setdefault(key, _published(key, row))
    if not skipped:
        return list(made.values())
    for key in KEYS:
        old = made.get(key) or _published(key, None)
        pair = [
            cell if cell.ours or not (why := skipped.get(subject(key, traffic))) else replace(cell, skipped=why)
            for cell, traffic in zip(old.cells, TRAFFICS, strict=True)
        ]
        made[key] = replace(old, cells=(pair[0], pair[1]))
    return list(made.values())


def _weaker(one: Cell, other: Cell) -> Cell:
    """Of two guests' figures the weaker one, with whose it is: a table that shows the better one hides a loss."""
    if not one.ours or not other.ours:
        return one if one.ours else other
    worst = min((other, one), key=lambda cell: cell.share)
    said = f"the weaker of several: {worst.path}"
    return worst if said in worst.detail else replace(worst, detail="; ".join(filter(None, [worst.detail, said])))


def _published(key: tuple[str, str, str, int], row: Published | None) -> Row:
    if row is None:
        return Row(*key, (Cell(), Cell()))
    return Row(*key, (Cell(published=row.small, note=row.note), Cell(published=row.average, note=row.note)))


def _column(m: Measurement) -> int | None:
    return {"64": 0, "965": 1}.get(m.traffic.name)


def _ours(m: Measurement, cell: Cell) -> Cell:
    """Captured share at the line rate where that was offered, else how much of the line rate is captured whole."""
    line = m.calibration.line_pps if m.calibration else 0
    load = load_of(m)
    unfinished = m.rate == "search" and not m.goals
    at_line = [trial for trial in load if line and offered(trial) >= line - 1 and not trial.source_limited]
    if unfinished:
        return _not_loaded(m, cell)
    if at_line:
        sent, lost = sum(trial.sent for trial in at_line), sum(trial.lost for trial in at_line)
        share = (sent - lost) * 10 // sent if sent else -1
        words, detail = percent(sent - lost, sent, 1), f"{integer(lost)} of {integer(sent)} lost at line rate"
    elif m.goals and m.goals[0].lower_pps is not None:
        lower = m.goals[0].lower_pps
        share = min(10, lower * 10 // line) if line else -1
        words = f"≥ {percent(lower, line, 1)}"
        detail = f"{mpps(lower)} without loss"
        if m.goals[0].upper_pps is None:
            share, detail = -1, detail + "; more was not asked of the source"
        elif m.goals[0].verdict is Verdict.INCONCLUSIVE:
            share, detail = -1, detail + f"; {m.goals[0].reason}"
    elif load and not m.goals:
        words, detail, share = _below_line(load, line)
    else:
        return _not_loaded(m, cell)
    whole = sum(trial.sent for trial in load)
    captured = (whole - sum(trial.lost for trial in load)) / whole if whole else 0.0
    if m.goals and not at_line:
        captured = (m.goals[0].lower_pps or 0) / line if line else 0.0
    return replace(cell, ours=words, detail=detail, heat=share, share=captured)


def _not_loaded(m: Measurement, cell: Cell) -> Cell:
    """Why a path that was tried has no figure: it is broken, no rate was good enough, or the measurement ended."""
    proof = [trial for trial in m.trials if trial.phase == "path proof"]
    if proof and proof[-1].lost:
        why = f"{proof[-1].recounted} of {proof[-1].sent} frames arrived before any load"
        return replace(cell, ours="broken", detail=why)
    if proof and not load_of(m) and proof[-1].reason and not m.partial:
        return replace(cell, ours="not proven", detail=proof[-1].reason)
    if m.goals:
        return replace(cell, ours="none", detail="no rate without loss was found")
    return replace(cell, ours="nothing", detail=m.partial.splitlines()[0]) if m.partial else cell


def _below_line(load: Sequence[Trial], line: int) -> tuple[str, str, int]:
    """What is to be said of trials at less than the line rate: (words, detail, heat)."""
    sent, lost = sum(trial.sent for trial in load), sum(trial.lost for trial in load)
    rate = offered_by(load)
    words = f"{percent(sent - lost, sent, 1)} of {mpps(rate)}"
    detail = "; ".join(filter(None, [f"{integer(lost)} of {integer(sent)} lost", under_run(load)]))
    # Without a loss nobody knows what more of it would do.
    share = min(10, rate * (sent - lost) * 10 // (sent * line)) if lost and sent and line else -1
    return words, detail, share
