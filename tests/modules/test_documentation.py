# SPDX-License-Identifier: Apache-2.0
"""What `ansible-doc` says of a module is what the module takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

MODULES = sorted(
    path.stem
    for path in (Path(__file__).resolve().parents[2] / "plugins/modules").glob("nfvcap_*.py")
    if "\nSPEC" in path.read_text()
)


def agree(documented: dict[str, Any], spec: dict[str, Any], where: str) -> None:
    assert set(documented) == set(spec), where
    for name, option in spec.items():
        words, place = documented[name], f"{where}.{name}"
        assert words["description"], place
        for key in ("type", "elements", "choices", "default"):
            assert words.get(key) == option.get(key), f"{place}: {key}"
        assert words.get("required", False) == option.get("required", False), place
        agree(words.get("suboptions", {}), option.get("options", {}), place)


@pytest.mark.parametrize("name", MODULES)
def test_documentation_and_specification_agree(name: str) -> None:
    module = importlib.import_module(f"ansible.modules.{name}")
    page = yaml.safe_load(module.DOCUMENTATION)
    assert page["module"] == name
    agree(page["options"], module.SPEC, name)
    for text in (module.EXAMPLES, module.RETURN):
        assert yaml.safe_load(text)


def test_all_modules_are_looked_at() -> None:
    assert len(MODULES) >= 10
