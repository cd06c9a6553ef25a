# SPDX-License-Identifier: Apache-2.0
"""What was stored and what was lost in each interval of a trial."""

from __future__ import annotations

from markupsafe import Markup

from nfvcap.model.measurement import Trial
from nfvcap.report.numbers import integer
from nfvcap.report.offered import offered
from nfvcap.report.svg.canvas import Canvas, Scale, short, ticks, unit_of

_WIDTH, _HEIGHT = 460.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 446.0, 22.0, 226.0
_LABEL = 50.0  # so wide is "offered"


def timeline_picture(trial: Trial) -> Markup:
    """Bars of packets per second; lost ones on top, in the colour of a failure."""
    samples = trial.timeline
    canvas = Canvas(_WIDTH, _HEIGHT, f"packets stored and lost over the time of trial {trial.number}")
    if not samples:
        canvas.text(_WIDTH / 2, _HEIGHT / 2, "this trial was too short for a timeline", "axis")
        return canvas.svg()
    # Behind the first sample each has the length of the distance to its predecessor.
    width_s = samples[1].end_s - samples[0].end_s if len(samples) > 1 else samples[0].end_s
    begin = samples[0].end_s - width_s
    rate = offered(trial)
    high = max(float(rate), *((s.stored + s.lost) / width_s for s in samples)) * 1.08
    x, y = Scale(0, samples[-1].end_s - begin, _LEFT, _RIGHT), Scale(0, high, _BOTTOM, _TOP)
    factor, unit = unit_of(high)
    for value in ticks(high / factor):
        canvas.line(_LEFT, y(value * factor), _RIGHT, y(value * factor), "grid")
        canvas.text(_LEFT - 7, y(value * factor) + 4, short(value), anchor="end")
    for value in ticks(samples[-1].end_s - begin):
        canvas.text(x(value), _BOTTOM + 16, short(value))
    canvas.text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, f"seconds; {unit}", "axis")
    bar = max(1.0, (_RIGHT - _LEFT) * width_s / (samples[-1].end_s - begin) - 1.5)
    under_label = float(rate)
    for sample in samples:
        at = x(max(0.0, sample.end_s - begin - width_s)) + 0.75
        stored, lost = sample.stored / width_s, sample.lost / width_s
        tip = f"until {sample.end_s - begin:.1f} s: {integer(sample.stored)} stored, {integer(sample.lost)} lost"
        canvas.add("rect", x=at, y=y(stored), width=bar, height=_BOTTOM - y(stored), class_="stored", tip=tip)
        if lost:
            height = max(2.0, y(stored) - y(stored + lost))
            canvas.add("rect", x=at, y=y(stored) - height, width=bar, height=height, class_="lost", tip=tip)
        if at + bar > _RIGHT - _LABEL:
            under_label = max(under_label, stored + lost)
    canvas.line(_LEFT, y(rate), _RIGHT, y(rate), "mark")
    canvas.text(_RIGHT, y(under_label) - 5, "offered", "note", "end")
    return canvas.svg()
