# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from nfvcap.cli import table


def test_columns_are_aligned_and_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "terminal_width", lambda: 50)
    words = " ".join(f"word{number}" for number in range(12))
    lines = table.columns([("+", "first", words, "reboot"), ("~", "second one", "short", "")], wide=2)
    assert max(map(len, lines)) <= 50
    assert lines[0].startswith("+  first       word0")
    assert " ".join(line[14:44].strip() for line in lines[:-1]).split() == [*words.split()[:3], *words.split()[3:]]
    assert lines[-1] == "~  second one  short"


def test_without_a_terminal_lines_stay_whole() -> None:
    assert table.columns([("a", "x " * 300)], wide=1)[0].count("x") == 300


def test_notes_follow_their_row() -> None:
    assert table.columns([("a",), ("b",)], wide=0, notes=[["note a"], []]) == ["a", "note a", "b"]


def test_paint_knows_row_and_column() -> None:
    lines = table.columns([("a", "b")], wide=0, paint=lambda row, at, text: f"<{row}{at}{text}>")
    assert lines == ["<00a>  <01b>"]
