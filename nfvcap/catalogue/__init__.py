# SPDX-License-Identifier: Apache-2.0
"""The words of every error and check, one YAML file per area: id → title, why, fix."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from pathlib import Path

ID = re.compile(r"NFV-[A-Z0-9]+-\d{3}")


@dataclass(frozen=True)
class Entry:
    """What can be said about an id without knowing the case at hand; errors themselves carry the evidence."""

    id: str
    title: str
    why: str
    fix: str

    @property
    def area(self) -> str:
        return self.id.split("-")[1]


@functools.cache
def load() -> dict[str, Entry]:
    """All entries by id, in order of area and number.

    Raises:
        ValueError: a file of the catalogue is malformed or has an id twice; the tests see to it that none is.
    """
    entries: dict[str, Entry] = {}
    for path in sorted(Path(__file__).parent.glob("*.yml")):
        for entry in read(path):
            if entry.id in entries:
                raise ValueError(f"{path.name}: {entry.id} is in the catalogue twice")
            entries[entry.id] = entry
    return dict(sorted(entries.items()))


def read(path: Path) -> list[Entry]:
    """The entries of one file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or {}
    entries = []
    for key, words in raw.items():
        if not ID.fullmatch(key) or set(words) != {"title", "why", "fix"} or not all(words.values()):
            raise ValueError(f"{path.name}: {key} needs an id NFV-AREA-NNN and exactly title, why and fix")
        entries.append(Entry(key, *(" ".join(str(words[word]).split()) for word in ("title", "why", "fix"))))
    return entries


def canonical(text: str) -> str:
    """What people type for an id: ``run-1``, ``nfv-run-001`` → ``NFV-RUN-001``; other text is only upper-cased."""
    words = [word for word in re.split(r"[-_ ]+", text.strip().upper()) if word]
    if words and words[0] != "NFV":
        words.insert(0, "NFV")
    if len(words) == 3 and words[2].isdigit():
        words[2] = words[2].zfill(3)
    return "-".join(words)


def near(text: str) -> list[str]:
    """Ids that could have been meant: those of the same area, else similar ones."""
    wanted, entries = canonical(text), load()
    area = wanted.split("-")[1] if "-" in wanted else wanted
    same = [entry.id for entry in entries.values() if entry.area == area]
    return same or difflib.get_close_matches(wanted, entries, n=3, cutoff=0.6)
