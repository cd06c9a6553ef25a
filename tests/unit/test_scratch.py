# SPDX-License-Identifier: Apache-2.0
"""Directories of killed runs go, those in use and those of others stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nfvcap.scratch import scratch

_HOLD = """
import sys, time
from pathlib import Path
from nfvcap.scratch import scratch
with scratch("nfvcap-x-", Path(sys.argv[1])) as made:
    print(made, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_has_left_goes_with_the_next_one(tmp_path: Path) -> None:
    foreign = tmp_path / "nfvcap-x-foreign"
    foreign.mkdir()  # it has no lock: not made like this
    (tmp_path / "nfvcap-x-link").symlink_to(foreign)
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    theirs = Path(holder.stdout.readline().strip())
    try:
        (theirs / "big").write_text("x")
        with scratch("nfvcap-x-", tmp_path) as mine:
            assert theirs.exists() and mine.exists(), "it is in use"
        assert not mine.exists()
    finally:
        holder.kill()
        holder.wait()
    assert theirs.exists()
    with scratch("nfvcap-y-", tmp_path):
        assert theirs.exists(), "another prefix"
    with scratch("nfvcap-x-", tmp_path):
        assert not theirs.exists() and foreign.exists()
