# SPDX-License-Identifier: Apache-2.0
"""One directory per run under the state directory: what Ansible said, the events, the plan."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nfvcap.paths import state_dir

KEEP = 50


@dataclass(frozen=True)
class RunFiles:
    """The files of one process of this run."""

    log: Path
    events: Path
    variables: Path


class RunDir:
    """Readable by its owner only: logs can hold what an inventory keeps secret."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0

    def next_files(self, title: str) -> RunFiles:
        """File names for the next process, numbered in order of start."""
        self._count += 1
        stem = f"{self._count:02d}-{title}"
        return RunFiles(*(self.path / f"{stem}.{suffix}" for suffix in ("log", "events.jsonl", "vars.json")))


def new_run_dir(verb: str, base: Path | None = None) -> RunDir:
    """Make the directory for a run that begins now, and drop all but the last :data:`KEEP` of them."""
    runs = (base or state_dir()) / "runs"
    runs.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = time.strftime("%Y%m%dT%H%M%S")
    path = runs / f"{stamp}-{verb}-{os.getpid()}"
    path.mkdir(mode=0o700)
    for old in sorted(entry for entry in runs.iterdir() if entry.is_dir())[:-KEEP]:
        with suppress(OSError):
            shutil.rmtree(old)
    return RunDir(path)
