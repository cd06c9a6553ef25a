# SPDX-License-Identifier: Apache-2.0
"""The model beyond two cores: each row of the table in the documentation follows from the formulas beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HEADER = 16
SIZED = 20
"""Bytes on the wire besides a frame: preamble, start and gap."""


def page(top: Path) -> str:
    return (top / "docs" / "explanation" / "capture-speed.md").read_text().split("## Beyond two cores")[1]


def number(cell: str) -> float:
    found = re.findall(r"\d+(?:\.\d+)?", cell)
    return float(found[-1])


def cost_ns(size: int) -> float:
    """What the page says of t + d."""
    return 7 + 15 if size == 64 else 0.05 * size + 15


def test_every_row_of_the_model_follows_from_its_formulas(top: Path) -> None:
    rows = re.findall(r"^\| (\d+) Gb/s, (\d+) B \|(.*)\|$", page(top), re.M)
    assert len(rows) == 6 and {rate for rate, _, _ in rows} == {"10", "25", "40", "100"}
    for rate, size_text, rest in rows:
        size = int(size_text)
        packets, written, memory, cores = rest.split("|")
        pps = float(rate) * 1e9 / 8 / (size + SIZED)
        assert number(packets) * 1e6 == pytest.approx(pps, rel=0.005)
        assert number(written) * 1e9 == pytest.approx(pps * (size + HEADER), rel=0.02)
        past, ordinary = memory.split("/s /") if "- /" not in memory else ("", memory)
        assert number(ordinary) * 1e9 == pytest.approx(pps * (3 * size + 2 * HEADER), rel=0.01)
        if past:
            assert number(past) * 1e9 == pytest.approx(pps * (2 * size + HEADER), rel=0.01)
        assert number(cores) == pytest.approx(pps * cost_ns(size) * 1e-9, abs=0.06)


def test_what_the_model_concludes(top: Path) -> None:
    text = page(top)
    smallest = 100e9 / 8 / (64 + SIZED)
    (socket,) = re.findall(r"8 x 25\.6 GB/s = (\d+) GB/s", text)
    assert pytest.approx(smallest * (3 * 64 + 2 * HEADER) / (float(socket) * 1e9), rel=0.05) == 1 / 6
    assert "a sixth of the memory" in text
    assert 4 < smallest * 22e-9 / 0.75 < 5 and "four to five cores" in text
    assert 6 < smallest * (18 + 15) * 1e-9 / 0.75 < 7 and "six to seven" in text
    (one_flow,) = re.findall(r"1 / 22 ns = (\d+) Mpps", text)
    assert float(one_flow) == pytest.approx(1e3 / 22, abs=1)
    (seconds,) = re.findall(r"12\.5 GB/s fill 128 GiB of memory in (\d+) seconds", text)
    assert float(seconds) == pytest.approx(128 * 2**30 / 12.5e9, abs=0.5)
