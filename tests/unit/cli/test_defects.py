# SPDX-License-Identifier: Apache-2.0
"""What nobody thought of is said to be a defect, with its place, and ends with the code of internal errors."""

from __future__ import annotations

import pytest

from nfvcap import catalogue
from nfvcap.cli.main import main


def test_a_defect_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by a test")

    monkeypatch.setattr(catalogue, "load", broken)
    with pytest.raises(SystemExit) as caught:
        main(["explain", "--list"])
    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert "this is a defect of nfvcap [NFV-CLI-007]" in said
    assert "why: ZeroDivisionError: by a test" in said
    assert "Traceback" in said and "in broken" in said
