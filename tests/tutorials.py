# SPDX-License-Identifier: Apache-2.0
"""What a tutorial tells its reader to type, and what it promises to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = ("provision-the-lab", "watch-a-guest")
_FENCED = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"(nfvcap|export) ")
_COUNT = re.compile(r"(?<![\w.])[1-9]\d*(?![\w.])")


@dataclass(frozen=True)
class Step:
    """One line to type.

    Args:
        line: as it is written, with its comment.
        shown: lines that the page shows behind it.
    """

    line: str
    shown: tuple[str, ...] = ()


def steps(top: Path, page: str) -> list[Step]:
    """All of a page, in order; a block without commands is what the last command before it shows."""
    text = (top / "docs" / "tutorial" / f"{page}.md").read_text()
    found: list[Step] = []
    for block in _FENCED.findall(text):
        lines = block.splitlines()
        if all(_TYPED.match(line) for line in lines):
            found += [Step(line) for line in lines]
        else:
            assert found and not any(_TYPED.match(line) for line in lines), f"half typed, half shown:\n{block}"
            found[-1] = Step(found[-1].line, tuple(lines))
    return found


def pattern(shown: str) -> re.Pattern[str]:
    """What a shown line promises: its words, and each 0. Other counts, times and widths of columns are not stable."""
    words = []
    for word in shown.split():
        parts = [re.escape(part) for part in _COUNT.split(word)]
        words.append(r"\d+".join(parts))
    return re.compile(r"\s*" + r"\s+".join(words) + r"\s*")
