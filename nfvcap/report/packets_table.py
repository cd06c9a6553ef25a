# SPDX-License-Identifier: Apache-2.0
"""A measurement for the terminal: the rates that were found, and where packets were lost."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from nfvcap.model.measurement import Measurement, Trial
from nfvcap.report.measured import attachment, frames_of, load_of
from nfvcap.report.numbers import at_most, integer, mpps, percent, ratio, seconds
from nfvcap.report.offered import offered, under_run


def blocks(m: Measurement) -> Iterator[Text | Table]:
    """What is printed, from top to bottom."""
    yield Text.assemble(
        (m.name, "bold"), "  ",
        (f"{attachment(m)} · {m.engine} · {frames_of(m)}, genome {m.traffic.genome} · profile {m.profile}", "dim"),
    )  # fmt: skip
    if m.goals:
        yield _goals(m)
    worst = worst_of(load_of(m))
    if worst is not None:
        yield _waterfall(worst)
    if m.label != "performance":
        yield Text(f"  {m.label_note}", "dim")
    if m.deviations:
        yield Text(f"  deviates from the standard: {'; '.join(m.deviations)}", "dim")
    yield Text(
        f"  {len(m.trials)} trials in {seconds(m.took_s)}" + (f"; partial: {m.partial}" if m.partial else ""), "dim"
    )


def worst_of(load: list[Trial]) -> Trial | None:
    """The trial to look at: the slowest one that lost, else the fastest one."""
    losing = [trial for trial in load if trial.lost]
    if losing:
        return min(losing, key=offered)
    return max(load, key=offered, default=None)


def _goals(m: Measurement) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (
        ("  loss ratio", "left"),
        ("met at", "right"),
        ("not at", "right"),
        ("of line rate", "right"),
        ("of source alone", "right"),
    ):
        table.add_column(name, justify=justify, style="dim" if name == "  loss ratio" else None)  # type: ignore[arg-type]
    line, ceiling = (m.calibration.line_pps, m.calibration.ceiling_pps) if m.calibration else (0, 0)
    for goal in m.goals:
        lower = "–" if goal.lower_pps is None else mpps(goal.lower_pps)
        upper = "none tried" if goal.upper_pps is None else mpps(goal.upper_pps)
        shares = [percent(goal.lower_pps or 0, whole, 1) for whole in (line, ceiling)]
        table.add_row(f"  {ratio(goal.loss_ratio)}", lower, upper, *shares)
    return table


def _waterfall(trial: Trial) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(style="dim")
    fall = trial.waterfall
    source = under_run([trial]) or "source"
    table.add_row(f"  sent in trial {trial.number} at {mpps(offered(trial))}", integer(fall.sent), source)
    for term in fall.terms:
        if term.packets:
            table.add_row(f"  − {term.title}", integer(term.packets), term.source)
        elif term.packets is None:
            table.add_row(f"  − {term.title}", "?", term.note)
    table.add_row("  = in the closed file", integer(fall.recounted), "recount")
    table.add_row("  residual", integer(fall.residual), fall.residual_note)
    bound = f"{percent(trial.sent - trial.lost, trial.sent)} captured; loss ≤ {at_most(trial.loss_upper_95)} (95 %)"
    table.add_row(f"  lost {integer(trial.lost)}", "", bound)
    return table
