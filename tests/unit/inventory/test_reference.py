# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from nfvcap.inventory.reference import markdown
from nfvcap.model.intent import Intent


def test_the_page_is_current(top: Path) -> None:
    kept = (top / "docs" / "reference" / "inventory.md").read_text(encoding="utf-8")
    assert kept == markdown(), "run: python -m nfvcap.inventory.reference"


def test_every_key_is_described() -> None:
    page = markdown()
    schema = Intent.model_json_schema(by_alias=True)
    for definition in (schema, *schema["$defs"].values()):
        for key, field in definition["properties"].items():
            assert f"| `{key}` |" in page
            assert field.get("description"), key
