# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.cli import sources
from nfvcap.errors import UsageError
from nfvcap.paths import data_dir


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.VARIABLE, raising=False)
    return tmp_path


def test_what_is_named_wins_over_everything(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sources.VARIABLE, "elsewhere.yml")
    (here / "mine.yml").touch()
    assert sources.find([Path("mine.yml")]) == ((Path("mine.yml"),), "named with -i")


def test_the_variable_names_several(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.yml").touch()
    (here / "b.yml").touch()
    monkeypatch.setenv(sources.VARIABLE, "a.yml:b.yml")
    assert sources.find([])[0] == (Path("a.yml"), Path("b.yml"))


def test_an_inventory_here_is_found_but_not_the_examples(here: Path) -> None:
    (here / "inventory").mkdir()
    (here / "inventory" / "example.yml").touch()
    assert sources.find([])[0] == (data_dir() / "inventory" / "lab.yml",)
    (here / "inventory" / "site.yml").touch()
    assert sources.find([])[0] == (Path("inventory/site.yml"),)
    (here / "inventory.yml").touch()
    assert sources.find([])[0] == (Path("inventory.yml"),)


def test_a_path_that_leads_nowhere_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yml"):
        sources.find([Path("nowhere.yml")])
