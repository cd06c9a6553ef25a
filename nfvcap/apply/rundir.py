# SPDX-License-Identifier: Apache-2.0
"""One directory per run under the state directory: what Ansible said, the events, the plan."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nfvcap.errors import UsageError
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
    stamp = time.strftime("%Y%m%dT%H%M%S")
    try:
        runs.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = _unused(runs, f"{stamp}-{verb}-{os.getpid()}")
    except OSError as error:
        raise UsageError(
            "NFV-CLI-005", f"cannot make a directory for logs in {runs}", str(error),
            "make room and allow writing there, or point XDG_STATE_HOME elsewhere",
        ) from error  # fmt: skip
    for old in sorted((entry for entry in runs.iterdir() if entry != path), reverse=True)[KEEP - 1 :]:
        with suppress(OSError):
            shutil.rmtree(old)
    return RunDir(path)


def _unused(runs: Path, name: str) -> Path:
    for number in itertools.count(1):
        path = runs / (name if number == 1 else f"{name}.{number}")
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path
    raise AssertionError  # pragma: no cover - the count has no end
