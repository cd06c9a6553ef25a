# SPDX-License-Identifier: Apache-2.0
"""The one door to programs on a managed host: argument list, time limit, plain C locale, no shell."""

from __future__ import annotations

import os
import subprocess

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class Completed:
    """A finished program. ``status`` is 127 when there is no such program and 124 when it took too long."""

    __slots__ = ("argv", "status", "stderr", "stdout")

    def __init__(self, argv: list[str], status: int, stdout: str = "", stderr: str = "") -> None:
        self.argv, self.status, self.stdout, self.stderr = argv, status, stdout, stderr

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def complaint(self) -> str:
        """One line that says what went wrong."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return f"{' '.join(self.argv)}: {lines[-1] if lines else f'exit status {self.status}'}"


def run(argv: list[str], timeout_s: float = 20, stdin: str | None = None) -> Completed:
    """Run a program to its end. Never raises: see :class:`Completed` for what a failure looks like."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": _PATH}
    try:
        done = subprocess.run(
            argv,
            input=None if stdin is None else stdin.encode(),
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Completed(argv, 124, "", f"not finished after {timeout_s:g} s")
    except OSError as error:
        return Completed(argv, 127, "", str(error.strerror or error))
    return Completed(
        argv, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
