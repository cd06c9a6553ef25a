# SPDX-License-Identifier: Apache-2.0
"""The command line as users call it: a process of its own, no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Nfvcap = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def nfvcap(tmp_path: Path) -> Nfvcap:
    """``nfvcap("plan", "host1")`` in an empty directory with state and cache of its own."""

    def call(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "NFVCAP_"))}
        variables |= {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")} | env
        return subprocess.run(
            [sys.executable, "-m", "nfvcap.cli.main", *argv],
            cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return call
