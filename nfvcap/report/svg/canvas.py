# SPDX-License-Identifier: Apache-2.0
"""A little SVG: elements with escaped text, axes with round numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup


class Canvas:
    """Collects elements; coordinates in units of the view box, which is about as wide as a phone's screen.

    Args:
        width: of the view box.
        height: of the view box.
        label: what the picture shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height = width, height
        self._label = label
        self._parts: list[str] = []

    def add(self, name: str, content: str | None = None, *, tip: str = "", **attributes: object) -> None:
        """One element; ``class_`` is class, underscores are hyphens; ``tip`` is shown under the pointer."""
        words = "".join(
            f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
            for key, value in attributes.items() if value is not None
        )  # fmt: skip
        inside = (f"<title>{escape(tip)}</title>" if tip else "") + (escape(content) if content is not None else "")
        self._parts.append(f"<{name}{words}>{inside}</{name}>" if inside else f"<{name}{words}/>")

    def text(self, x: float, y: float, content: str, class_: str = "tick", anchor: str = "middle") -> None:
        self.add("text", content, x=x, y=y, class_=class_, text_anchor=anchor)

    def line(self, x1: float, y1: float, x2: float, y2: float, class_: str) -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def path(self, points: Sequence[tuple[float, float]], class_: str) -> None:
        if points:
            words = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self.add("polyline", points=words, class_=class_)

    def svg(self) -> Markup:
        box = f"0 0 {_number(self.width)} {_number(self.height)}"
        body = "".join(self._parts)
        return Markup(f'<svg viewBox="{box}" role="img" aria-label="{escape(self._label)}">{body}</svg>')


class Scale:
    """From values to coordinates, linear."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(high: float, count: int = 5) -> list[float]:
    """Round numbers from 0 up to ``high``."""
    if high <= 0:
        return [0.0]
    raw = high / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    return [step * number for number in range(int(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """``14.9``, ``2``, ``0.25``."""
    return f"{value:.3g}"


def unit_of(high_pps: float) -> tuple[float, str]:
    """A divisor and its unit, so that an axis has short numbers."""
    for factor, name in ((1e6, "Mpps"), (1e3, "kpps")):
        if high_pps >= factor:
            return factor, name
    return 1.0, "pps"


def _number(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
