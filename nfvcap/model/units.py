# SPDX-License-Identifier: Apache-2.0
"""Sizes and rates as people write them, to numbers and back.

Memory is counted in powers of two, whatever the spelling: ``1G``, ``1GB`` and ``1GiB`` are all 2**30 bytes, as on
the kernel command line. Rates are counted in powers of ten, as on a wire: ``1G`` is 1000 Mbit/s.
"""

from __future__ import annotations

import re

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_SIZE_FACTOR = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": TIB}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:([mg])(?:bit|bps|bit/s)?)?", re.IGNORECASE)
_RATE_FACTOR = {"": 1, "m": 1, "g": 1000}


def parse_size(text: str | int) -> int:
    """Bytes of ``16GiB``, ``512M``, ``2MB`` or a plain number of bytes; raises ``ValueError``."""
    if isinstance(text, int):
        if text < 0:
            raise ValueError(f"{text} is negative")
        return text
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size; write for instance 512M, 2G or 16GiB")
    exact = float(match[1]) * _SIZE_FACTOR[match[2].lower()]
    if exact != int(exact):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(exact)


def parse_rate(text: str | int) -> int:
    """Mbit/s of ``1000``, ``500M``, ``1Gbit``, ``2.5G``; 0 means unlimited; raises ``ValueError``."""
    if isinstance(text, int):
        if text < 0:
            raise ValueError(f"{text} is negative")
        return text
    match = _RATE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a rate; write a number of Mbit/s or for instance 500Mbit, 1Gbit")
    exact = float(match[1]) * _RATE_FACTOR[(match[2] or "").lower()]
    if exact != int(exact):
        raise ValueError(f"{text!r} is not a whole number of Mbit/s")
    return int(exact)


def format_size(size_bytes: int) -> str:
    """A size for people, without rounding when it is a whole number of some unit: ``2 MiB``, ``1.5 GiB``."""
    for factor, unit in ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(size_bytes) >= factor:
            number = size_bytes / factor
            return f"{number:.0f} {unit}" if number == int(number) else f"{number:.1f} {unit}"
    return f"{size_bytes} B"


def kernel_size(size_bytes: int) -> str:
    """A page size as the kernel command line spells it: ``2M``, ``1G``."""
    return f"{size_bytes // GIB}G" if size_bytes % GIB == 0 else f"{size_bytes // MIB}M"
