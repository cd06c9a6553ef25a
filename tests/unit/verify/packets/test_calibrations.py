# SPDX-License-Identifier: Apache-2.0
"""A calibration is kept for its path, traffic and link, and one of another environment proves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FRAMES_64, INSTANT, limit, path

from nfvcap.cli import calibrations
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.errors import UsageError
from nfvcap.model.result import Verdict
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.run import Run, Wish
from nfvcap.verify.packets.traffic import traffic


def asked(calibration: str) -> PacketOptions:
    words: dict[str, Any] = dict.fromkeys(PacketOptions.__dataclass_fields__)
    return PacketOptions(**{**words, "calibration": calibration})


def test_kept_once_and_used_until_the_environment_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    where, wish = path(limit(10**9)), Wish(INSTANT, FRAMES_64, "1000000", 60)
    with pytest.raises(UsageError) as lacking:
        calibrations.kept("h", where, FRAMES_64, asked("kept"))
    assert lacking.value.code == "NFV-PKT-213"
    calibrations.keep("h", Run(where, replace(wish, only_calibrate=True), None, "one").measure())
    assert calibrations.kept("h", where, FRAMES_64, asked("new")) is None
    made = calibrations.kept("h", where, FRAMES_64, asked("kept"))
    assert made is not None and made.ceiling_pps == 100_000_000
    m = Run(where, wish, made, "one").measure()
    assert checks(m, "one")[0].verdict is Verdict.PASS
    stale = checks(m, "two")[0]
    assert stale.id == "NFV-PKT-001" and stale.verdict is Verdict.INCONCLUSIVE and "older" in stale.reason
    for other in (("h2", FRAMES_64), ("h", traffic("965"))):
        with pytest.raises(UsageError):
            calibrations.kept(other[0], where, other[1], asked("kept"))


def test_a_file_of_another_version_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "nfvcap").mkdir()
    (tmp_path / "nfvcap" / "calibrations.json").write_text('{"x": {"y": 1}}')
    with pytest.raises(UsageError):
        calibrations.kept("h", path(limit(1)), FRAMES_64, asked("kept"))
