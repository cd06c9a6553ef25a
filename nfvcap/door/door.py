# SPDX-License-Identifier: Apache-2.0
"""What every way into a machine can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nfvcap.errors import NfvcapError
from nfvcap.run import Completed, pasteable, tail


class Door(Protocol):
    """A way in. Every method raises NfvcapError when the way itself fails; what a program says is returned."""

    @property
    def name(self) -> str:
        """Where it leads, for people."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program there to its end; any exit status is returned."""

    def put(self, data: bytes, path: str) -> None:
        """Put a file there, readable and executable by its owner, whole or not at all."""

    def fetch(self, path: str, target: Path) -> int:
        """Bring a file home; returns its size in bytes."""


def must(done: Completed, door: Door) -> str:
    """Standard output of a program that has to succeed.

    Raises:
        NfvcapError: NFV-GUEST-030 it did not.
    """
    if not done.ok:
        raise NfvcapError(
            "NFV-GUEST-030", f"{Path(done.argv[0]).name} failed on {door.name} with exit status {done.returncode}",
            "it said:\n" + tail(done.stderr or done.stdout), f"try it there: {pasteable(done.argv)}",
        )  # fmt: skip
    return done.stdout


def shell(door: Door, script: str, *words: str, timeout_s: float = 60) -> Completed:
    """Run a script of the POSIX shell there; ``words`` are its arguments."""
    return door.run(["sh", "-c", script, "sh", *words], timeout_s)
