# SPDX-License-Identifier: Apache-2.0
"""Directories for the length of a piece of work. One whose maker was killed is removed by the next who makes one.

Whoever uses a directory holds a lock in it, which the kernel takes away with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".in-use"


@contextmanager
def scratch(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new directory, gone when the block is left; what killed runs have left under this prefix goes first.

    Args:
        prefix: of its name; begins with ``nfvcap-``.
        parent: where it is made; None: where the system has temporary files.
    """
    place = parent or Path(tempfile.gettempdir())
    _sweep(place, prefix)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as made:
        new = Path(made) / f"{_LOCK}.new"
        with new.open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(new.with_name(_LOCK))  # under this name it is locked from the first moment
            yield Path(made)


def _sweep(place: Path, prefix: str) -> None:
    for found in place.glob(f"{prefix}*"):
        # Somebody else's, or one that goes just now: not ours to remove, and nothing to complain about.
        with contextlib.suppress(OSError):
            if found.is_symlink() or found.stat().st_uid != os.geteuid():
                continue
            with (found / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(found)
