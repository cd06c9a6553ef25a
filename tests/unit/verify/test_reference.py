# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from nfvcap.verify.reference import markdown


def test_the_page_of_checks_is_up_to_date(top: Path) -> None:
    kept = (top / "docs" / "reference" / "checks.md").read_text()
    assert kept == markdown(), "run: python -m nfvcap.verify.reference"
