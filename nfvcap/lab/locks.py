# SPDX-License-Identifier: Apache-2.0
"""Locks between commands: held by an open file, so that a killed command lets go by itself."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nfvcap.lab.errors import LabError
from nfvcap.lab.stages import Say, silent

_POLL_S = 0.2


@contextmanager
def locked(path: Path, holder: str, *, wait_s: float, say: Say = silent) -> Iterator[None]:
    """Hold an exclusive lock on ``path``.

    Args:
        path: file of the lock; is made when missing and stays.
        holder: who could hold it, in words (``"another command on lab 'x'"``).
        wait_s: how long to wait for the holder.
        say: is told once when there is something to wait for.

    Raises:
        LabError: NFV-LAB-002 the holder kept it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Programs that are started must not inherit the lock: a machine in the background would hold it for ever.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline, told = time.monotonic() + wait_s, False
        while not _try(descriptor):
            if not told:
                say(f"  waiting for {holder} ...")
                told = True
            if time.monotonic() > deadline:
                raise LabError(
                    2, f"{holder} is at work", f"it has held {path} for {wait_s:g} s", "wait for it to end, or stop it"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
