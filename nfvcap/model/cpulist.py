# SPDX-License-Identifier: Apache-2.0
"""Lists of CPUs in the kernel's notation: ``0-3,8``."""

from __future__ import annotations

from collections.abc import Iterable


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Ascending CPU numbers of ``0-3,8``; raises ``ValueError`` for anything else, duplicates included."""
    cpus: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if not part.isascii() or not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{text!r} is not a CPU list; write for instance 0-3,8")
        start, end = int(first), int(last or first)
        if end < start:
            raise ValueError(f"{part!r} runs backwards")
        if end > 1 << 16:
            raise ValueError(f"CPU {end} is beyond any machine")
        cpus.extend(range(start, end + 1))
    doubles = sorted({cpu for cpu in cpus if cpus.count(cpu) > 1}) if len(set(cpus)) < len(cpus) else []
    if doubles:
        raise ValueError(f"CPU {doubles[0]} is named twice in {text!r}")
    return tuple(sorted(cpus))


def format_cpulist(cpus: Iterable[int]) -> str:
    """``(0, 1, 2, 3, 8)`` as ``0-3,8``; an empty list is an empty string."""
    runs: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
