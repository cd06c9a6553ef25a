# SPDX-License-Identifier: Apache-2.0
"""A host that has just booted is judged when nfvcap's units have run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nfvcap.verify import reader

# Says twice that a unit is still being started, then no more.
_SYSTEMCTL = """#!/bin/sh
[ "$1" = list-jobs ] || exit 9
echo x >>"{log}"
[ "$(wc -l <"{log}")" -gt {times} ] || echo "182 nfvcap-sriov.service start running"
"""


def planted(folder: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> Path:
    log, program = folder / "log", folder / "systemctl"
    program.write_text(_SYSTEMCTL.format(log=log, times=times))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return log


def test_units_that_still_start_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = planted(tmp_path, monkeypatch, times=2)
    reader.wait_for_boot()
    assert len(log.read_text().split()) == 3


def test_the_wait_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, monkeypatch, times=10**6)
    monkeypatch.setattr(reader, "BOOT_TIMEOUT_S", 0.6)
    began = time.monotonic()
    reader.wait_for_boot()
    assert time.monotonic() - began < 20
