# SPDX-License-Identifier: Apache-2.0
"""Numbers for people: integers in groups, rates, percentages never rounded up, bounds always."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal


def integer(value: int) -> str:
    """``14 880 952``; the spaces do not break a line."""
    return f"{value:,}".replace(",", "\u202f")


def mpps(pps: int) -> str:
    """``14.880 Mpps``, ``80.3 kpps``, ``900 pps``; cut, not rounded."""
    if pps >= 1_000_000:
        return f"{pps // 1000 / 1000:.3f} Mpps"
    if pps >= 1000:
        return f"{pps // 100 / 10:.1f} kpps"
    return f"{pps} pps"


def percent(part: int, whole: int, digits: int = 5) -> str:
    """Rounded down, so that 100 is said only when nothing at all is missing."""
    if whole <= 0:
        return "–"
    scale = int(10**digits)
    value = part * 100 * scale // whole
    return f"{value // scale}.{value % scale:0{digits}d} %" if digits else f"{value} %"


def ratio(value: float) -> str:
    """``0``, ``1e-7``."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def at_most(value: float) -> str:
    """A bound, ``3.1e-7``: two digits, rounded up, so that no more is promised than is known; ``1`` for all."""
    if value <= 0:
        return "0"
    exact = Decimal(value)
    up = exact.quantize(Decimal((0, (1,), exact.adjusted() - 1)), ROUND_CEILING)
    return "1" if up >= 1 else f"{up:.1e}"


def seconds(value: float) -> str:
    """``58 s``, ``2 min 5 s``, ``1 h 3 min``."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def span(value: float) -> str:
    """A time as exact as a trial needs it: ``60 s``, ``0.998 s``, ``0.1 s``."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + " s"


def size(value: int) -> str:
    """``512 B``, ``1.5 GiB``."""
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError  # pragma: no cover
