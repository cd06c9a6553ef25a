# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.apply import rundir
from nfvcap.errors import UsageError


def test_each_run_has_a_directory_of_its_own_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "KEEP", 3)
    first, second = rundir.new_run_dir("plan", tmp_path).path, rundir.new_run_dir("plan", tmp_path).path
    assert first != second and first.is_dir() and second.is_dir()
    for _ in range(5):
        newest = rundir.new_run_dir("plan", tmp_path).path
        assert newest.is_dir() and len(list((tmp_path / "runs").iterdir())) <= 3


def test_no_place_for_logs_is_said_before_anything_else() -> None:
    with pytest.raises(UsageError) as caught:
        rundir.new_run_dir("plan", Path("/proc/nowhere"))
    assert caught.value.code == "NFV-CLI-005"
