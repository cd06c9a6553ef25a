# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab.locks import locked


def test_two_cannot_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, "x", wait_s=0), pytest.raises(NfvcapError) as caught, locked(path, "x", wait_s=0):
        pass
    assert caught.value.code == "NFV-LAB-002"


def test_it_is_free_afterwards_even_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock", "x", wait_s=0):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", "x", wait_s=0):
        pass


def test_a_program_started_under_it_does_not_keep_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "x", wait_s=0):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False)
    try:
        # The child closes what it must not inherit a moment after it has been started.
        with locked(tmp_path / "lock", "x", wait_s=10):
            pass
    finally:
        child.kill()
        child.wait()
