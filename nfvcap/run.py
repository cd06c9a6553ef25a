# SPDX-License-Identifier: Apache-2.0
"""The one door to subprocesses: an argument list, a time limit, an error that can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nfvcap.errors import NfvcapError

_TAIL_LINES = 15


@dataclass(frozen=True)
class Completed:
    """A finished command: its arguments, exit status and decoded output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0


def pasteable(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """The command as a line for a shell, with the variables that were added to its environment."""
    variables = [f"{key}={shlex.quote(value)}" for key, value in sorted((env or {}).items())]
    return " ".join([*variables, *(shlex.quote(str(word)) for word in argv)])


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of a text, indented for an error message."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
) -> Completed:
    """Run a command to its end and return what it said.

    Args:
        argv: program and arguments; never a shell line.
        timeout_s: limit after which the command is killed.
        check: raise when the exit status is not 0.
        env: variables added to this process's environment.
        stdin: text for standard input; without it the command reads nothing.

    Raises:
        NfvcapError: NFV-RUN-001 program missing, NFV-RUN-002 time limit, NFV-RUN-003 non-zero exit status.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise NfvcapError(
            "NFV-RUN-001",
            f"cannot run {words[0]}: not found",
            str(error),
            f"install the package with {words[0]}",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NfvcapError(
            "NFV-RUN-002",
            f"{words[0]} did not end within {timeout_s:g} s",
            "it was stopped",
            f"try it by hand: {pasteable(words, env)}",
        ) from error
    result = Completed(tuple(words), done.returncode, done.stdout, done.stderr)
    if check and not result.ok:
        raise NfvcapError(
            "NFV-RUN-003",
            f"{words[0]} failed with exit status {result.returncode}",
            "it said:\n" + tail(result.stderr or result.stdout),
            f"try it by hand: {pasteable(words, env)}",
        )
    return result
