# SPDX-License-Identifier: Apache-2.0
"""The lab guest's shutdown as QEMU's guest agent calls it: -h comes first, whatever is meant."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nfvcap.lab.tree import RECIPE


@pytest.mark.parametrize(("flag", "does"), [("-r", "reboot -f"), ("-P", "poweroff -f"), ("-H", "halt -f")])
def test_it_does_what_is_meant(tmp_path: Path, flag: str, does: str) -> None:
    for name in ("reboot", "poweroff", "halt", "sync"):
        (tmp_path / name).write_text('#!/bin/sh\n[ "${0##*/}" = sync ] || echo "${0##*/} $*"\n')
        (tmp_path / name).chmod(0o755)
    argv = ["sh", str(RECIPE / "guest/shutdown"), "-h", flag, "+0", "hypervisor initiated shutdown"]
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == does
