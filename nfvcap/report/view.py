# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a measurement: the facts on top, the trial to look at, the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from nfvcap.model.cpulist import parse_cpulist
from nfvcap.model.measurement import Goal, Measurement, Trial
from nfvcap.model.result import HostResult
from nfvcap.report.measured import attachment, load_of
from nfvcap.report.method import method_lines
from nfvcap.report.numbers import at_most, integer, mpps, percent, seconds
from nfvcap.report.offered import offered, offered_by, under_run
from nfvcap.report.packets_table import worst_of
from nfvcap.report.svg.rates import captured_picture, loss_picture
from nfvcap.report.svg.timeline import timeline_picture
from nfvcap.verify.packets.bound import loss_upper_95


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Core:
    number: int
    role: str
    title: str


@dataclass(frozen=True)
class View:
    """A measurement, ready to be put into the page."""

    measurement: Measurement
    facts: tuple[Fact, ...]
    trial: Trial | None
    why: str
    rate: str  # of that trial
    share: str
    captured: Markup
    loss: Markup
    timeline: Markup
    attachment: str
    method: tuple[tuple[str, str], ...]  # name and words of each line

    def of_line(self, goal: Goal) -> str:
        calibration = self.measurement.calibration
        return percent(goal.lower_pps or 0, calibration.line_pps, 1) if calibration else "–"

    def of_ceiling(self, goal: Goal) -> str:
        calibration = self.measurement.calibration
        return percent(goal.lower_pps or 0, calibration.ceiling_pps, 1) if calibration else "–"

    @staticmethod
    def captured_share(trial: Trial) -> str:
        return percent(trial.recounted, trial.sent)

    @staticmethod
    def missing(trial: Trial) -> str:
        """Which numbers are not in the file, the first ranges of them."""
        several = len({flow for flow, _, _ in trial.missing}) > 1
        said = [
            (f"flow {flow}: " if several else "") + (str(first) if first == last else f"{first} to {last}")
            for flow, first, last in trial.missing
        ]
        more = trial.missing_ranges - len(said)
        return "missing numbers " + ", ".join(said) + (f" and {more} ranges more" if more > 0 else "")


def view(m: Measurement) -> View:
    """Choose and draw."""
    load = load_of(m)
    trial = worst_of(load) or next(iter(m.trials[::-1]), None)
    several = len({t.intended_pps for t in load}) > 1
    rate = [mpps(offered(trial)), under_run([trial])] if trial else []
    return View(
        measurement=m, facts=tuple(_facts(m, load)), trial=trial, why=_why(trial),
        rate="; ".join(filter(None, rate)), share=percent(trial.recounted, trial.sent) if trial else "",
        captured=captured_picture(m) if several else Markup(), loss=loss_picture(m) if several else Markup(),
        timeline=timeline_picture(trial) if trial else Markup(), method=tuple(method_lines(m)),
        attachment=attachment(m),
    )  # fmt: skip


def _why(trial: Trial | None) -> str:
    if trial is None:
        return ""
    if trial.phase == "path proof":
        return "the proof of the path"
    return "the slowest one that lost packets" if trial.lost else "the fastest one"


def _facts(m: Measurement, load: list[Trial]) -> Iterator[Fact]:
    line = m.calibration.line_pps if m.calibration else 0
    if m.goals:
        goal = m.goals[0]
        at_least = "≥ " if goal.upper_pps is None and goal.lower_pps is not None else ""
        value = "none" if goal.lower_pps is None else at_least + mpps(goal.lower_pps)
        shares = f"{percent(goal.lower_pps or 0, line, 1)} of the line rate"
        if m.calibration:
            shares += f", {percent(goal.lower_pps or 0, m.calibration.ceiling_pps, 1)} of the source alone"
        yield Fact("no-drop rate", value, shares)
    if load:
        groups = [[t for t in load if t.intended_pps == asked] for asked in {t.intended_pps for t in load}]
        top = max(groups, key=offered_by)
        sent, lost = sum(trial.sent for trial in top), sum(trial.lost for trial in top)
        note = f"of {integer(sent)}: {percent(sent - lost, sent)} captured"
        yield Fact(f"lost at {mpps(offered_by(top))}", integer(lost), "; ".join(filter(None, [note, under_run(top)])))
        # A search is about the rate that it found, and a trial without loss beside one with loss proves nothing.
        about = [trial for trial in load if trial.intended_pps == m.goals[0].lower_pps] if m.goals else top
        if about:
            numbers = [sum(trial.lost for trial in about), sum(trial.sent for trial in about)]
            bound = loss_upper_95(*numbers)
            note = f"95 % bound, {integer(numbers[0])} of {integer(numbers[1])} lost at {mpps(offered_by(about))}"
            yield Fact("loss is at most", at_most(bound), note)
    if m.calibration is not None:
        yield Fact("source alone", mpps(m.calibration.ceiling_pps), f"line rate {mpps(line)} at {_gbit(m)}")
    yield Fact("took", seconds(m.took_s), f"{len(m.trials)} trials" + ("; partial" if m.partial else ""))


def _gbit(m: Measurement) -> str:
    mbps = m.calibration.link_mbps if m.calibration else 0
    return f"{mbps / 1000:g} Gb/s"


def cores(host: HostResult) -> dict[int, list[Core]]:
    """CPUs of each node, with what was placed on them."""
    environment: dict[str, Any] = host.environment
    placement = str(environment.get("placement", ""))
    placed = {int(cpu): "gen" for cpu in re.findall(r"generator on CPU (\d+)", placement)}
    placed |= {int(cpu): "cap" for cpu in re.findall(r"capture on CPU (\d+)", placement)}
    isolated = set(parse_cpulist(environment["isolated_cpus"])) if environment.get("isolated_cpus") else set()
    pins: dict[str, str] = environment.get("pins", {})
    placed |= {int(cpu): "guest" for cpu in pins}
    words = {"gen": "generator", "cap": "capture"}

    def title(cpu: int) -> str:
        spare = "isolated" if cpu in isolated else "housekeeping"
        return pins.get(str(cpu)) or words.get(placed.get(cpu, ""), spare)

    made = {}
    for node in environment["nodes"]:
        made[node["node"]] = [
            Core(cpu, placed.get(cpu, "isolated" if cpu in isolated else ""), title(cpu))
            for cpu in (parse_cpulist(node["cpus"]) if node["cpus"] else ())  # a node may be memory alone
        ]
    return made
