# SPDX-License-Identifier: Apache-2.0
"""A copy of the checkout for tests that build or install from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def copy(top: Path, to: Path) -> None:
    """Put what git tracks into a new directory: a build must not depend on, or carry, what merely lies around."""
    to.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=top, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, files):
        origin = top / os.fsdecode(name)
        if origin.is_file():
            target = to / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(origin.read_bytes())
            target.chmod(origin.stat().st_mode)
