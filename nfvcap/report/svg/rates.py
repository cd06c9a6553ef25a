# SPDX-License-Identifier: Apache-2.0
"""Two pictures over the offered rate: what was captured of it, and which share was lost."""

from __future__ import annotations

import math

from markupsafe import Markup

from nfvcap.model.measurement import Measurement, Trial
from nfvcap.report.measured import load_of
from nfvcap.report.numbers import integer, mpps
from nfvcap.report.offered import offered, under_run
from nfvcap.report.svg.canvas import Canvas, Scale, short, ticks, unit_of

_WIDTH, _HEIGHT = 460.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 446.0, 22.0, 226.0
_FLOOR = 1e-8  # where "0" is drawn on the axis of loss ratios


def _frame(canvas: Canvas, high: float, x: Scale) -> float:
    """The axis of offered rates; returns the divisor of its unit."""
    factor, unit = unit_of(high)
    for value in ticks(high / factor):
        at = x(value * factor)
        if at <= _RIGHT + 1:
            canvas.line(at, _TOP, at, _BOTTOM, "grid")
            canvas.text(at, _BOTTOM + 16, short(value))
    canvas.text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, f"offered, {unit}", "axis")
    return factor


def _marks(canvas: Canvas, m: Measurement, x: Scale, high: float) -> None:
    """Line rate and the source's ceiling, where they are in the picture."""
    if m.calibration is None:
        return
    for value, words in ((m.calibration.line_pps, "line rate"), (m.calibration.ceiling_pps, "source's ceiling")):
        if 0 < value <= high:
            canvas.line(x(value), _TOP, x(value), _BOTTOM, "mark")
            near = x(value) > _RIGHT - 90
            canvas.text(x(value) + (-5 if near else 5), _TOP - 7, words, "note", "end" if near else "start")


def _points(m: Measurement) -> list[Trial]:
    return sorted(load_of(m), key=lambda trial: (offered(trial), trial.number))


def _high(m: Measurement) -> float:
    """The picture ends behind the fastest trial, or at the line rate when that is near."""
    fastest = max((offered(trial) for trial in load_of(m)), default=1)
    line = m.calibration.line_pps if m.calibration else 0
    return float(line if fastest <= line < fastest * 1.5 else fastest) * 1.04


def captured_picture(m: Measurement) -> Markup:
    """Captured against offered: on the diagonal nothing is lost."""
    high = _high(m)
    canvas = Canvas(_WIDTH, _HEIGHT, "captured rate against offered rate")
    x, y = Scale(0, high, _LEFT, _RIGHT), Scale(0, high, _BOTTOM, _TOP)
    factor = _frame(canvas, high, x)
    for value in ticks(high / factor):
        canvas.line(_LEFT, y(value * factor), _RIGHT, y(value * factor), "grid")
        canvas.text(_LEFT - 7, y(value * factor) + 4, short(value), anchor="end")
    canvas.text(_LEFT - 40, _TOP - 9, "captured", "axis", "start")
    canvas.line(x(0), y(0), x(high), y(high), "ideal")
    _marks(canvas, m, x, high)
    for trial in _points(m):
        captured = offered(trial) * trial.recounted / trial.sent if trial.sent else 0
        canvas.add(
            "circle", cx=x(offered(trial)), cy=y(captured), r=4.5, class_=f"dot {trial.verdict}", tip=_tip(trial)
        )
    return canvas.svg()


def loss_picture(m: Measurement) -> Markup:
    """Share lost against offered rate, in powers of ten; no loss at all has a line of its own."""
    high = _high(m)
    canvas = Canvas(_WIDTH, _HEIGHT, "loss ratio against offered rate")
    zero = _BOTTOM - 14.0
    x, y = Scale(0, high, _LEFT, _RIGHT), Scale(math.log10(_FLOOR), 0, zero - 14, _TOP)
    _frame(canvas, high, x)
    canvas.text(_LEFT - 40, _TOP - 9, "lost", "axis", "start")
    canvas.add("rect", x=_LEFT, y=zero - 9, width=_RIGHT - _LEFT, height=18, class_="band")
    canvas.text(_LEFT - 7, zero + 4, "0", anchor="end")
    for power in range(-8, 1, 2):
        canvas.line(_LEFT, y(power), _RIGHT, y(power), "grid")
        words = "all" if power == 0 else f"10{_superscript(power)}"
        canvas.text(_LEFT - 7, y(power) + 4, words, anchor="end")
    _marks(canvas, m, x, high)
    lossy = [trial for trial in _points(m) if trial.lost and trial.sent]
    canvas.path([(x(offered(t)), y(math.log10(max(t.lost / t.sent, _FLOOR)))) for t in lossy], "trace")
    for trial in _points(m):
        loss = trial.lost / trial.sent if trial.sent else 0.0
        at = y(math.log10(max(loss, _FLOOR))) if loss > 0 else zero
        canvas.add("circle", cx=x(offered(trial)), cy=at, r=4.5, class_=f"dot {trial.verdict}", tip=_tip(trial))
    return canvas.svg()


def _tip(trial: Trial) -> str:
    lost = f"{integer(trial.lost)} of {integer(trial.sent)} lost, {trial.verdict}"
    return "; ".join(filter(None, [f"trial {trial.number}: {mpps(offered(trial))}, {lost}", under_run([trial])]))


def _superscript(value: int) -> str:
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
