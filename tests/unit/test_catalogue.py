# SPDX-License-Identifier: Apache-2.0
"""Every id that the tree can show is explained, and nothing is explained that cannot be shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nfvcap import catalogue

SOURCES = ("nfvcap", "plugins", "roles", "playbooks")
SUFFIXES = {".py", ".yml", ".j2", ".sh"}
# LabError(7, …) builds NFV-LAB-007.
LAB = re.compile(r"LabError\(\s*(\d+)")


def used(top: Path) -> dict[str, str]:
    """Ids in the sources → one place where each stands."""
    found: dict[str, str] = {}
    for folder in SOURCES:
        for path in sorted((top / folder).rglob("*")):
            if path.suffix not in SUFFIXES or path.parent == top / "nfvcap" / "catalogue":
                continue
            text = path.read_text(encoding="utf-8")
            code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
            place = str(path.relative_to(top))
            found |= dict.fromkeys(re.findall(r"""["'](NFV-[A-Z]+-\d{3})["']""", code), place)
            found |= {f"NFV-LAB-{int(number):03d}": place for number in LAB.findall(code)}
    return found


def test_every_id_in_the_sources_is_in_the_catalogue(top: Path) -> None:
    missing = {name: place for name, place in used(top).items() if name not in catalogue.load()}
    assert not missing


def test_every_entry_of_the_catalogue_is_used(top: Path) -> None:
    unused = sorted(set(catalogue.load()) - set(used(top)))
    assert not unused


def test_areas_stand_in_their_own_files() -> None:
    for path in Path(catalogue.__file__).parent.glob("*.yml"):
        for entry in catalogue.read(path):
            assert entry.area.lower() == path.stem, f"{entry.id} in {path.name}"


def test_words_are_whole() -> None:
    for entry in catalogue.load().values():
        assert entry.why.rstrip()[-1] in ".)`" and entry.fix.rstrip()[-1] in ".)`", entry.id
        assert not entry.title.endswith("."), entry.id
        assert len(entry.title) <= 90, entry.id


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("nfv-run-001", "NFV-RUN-001"), ("run-1", "NFV-RUN-001"), ("RUN 12", "NFV-RUN-012"), ("x", "NFV-X")],
)
def test_what_people_type_finds_the_id(text: str, wanted: str) -> None:
    assert catalogue.canonical(text) == wanted


def test_near_ids_are_of_the_same_area_or_alike() -> None:
    assert "NFV-RUN-001" in catalogue.near("NFV-RUN-999")
    assert catalogue.near("NFV-RUM-001")[0] == "NFV-RUN-001"


def test_a_malformed_entry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text("NFV-X-001: {title: a, why: b}\n")
    with pytest.raises(ValueError, match="NFV-X-001"):
        catalogue.read(tmp_path / "x.yml")
