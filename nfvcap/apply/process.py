# SPDX-License-Identifier: Apache-2.0
"""The long-running side of the door to subprocesses: follow a command while it runs, leave nothing of it behind."""

from __future__ import annotations

import ctypes
import os
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nfvcap.errors import NfvcapError
from nfvcap.run import pasteable, tail

_GRACE_S = 10.0
_TICK_S = 1.0
_PR_SET_PDEATHSIG = 1
_MARK = "NFVCAP_PROCESS_MARK"
_LIBC = ctypes.CDLL(None, use_errno=True)


def follow(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str],
    log: Path,
    events_variable: str,
    on_line: Callable[[str], None],
) -> int:
    """Run a command to its end, handing over each line that it writes to its event pipe.

    Args:
        argv: program and arguments.
        timeout_s: limit after which it is stopped.
        env: variables added to this process's environment.
        log: file that standard output and standard error are appended to.
        events_variable: environment variable that names the pipe for the command.
        on_line: called for each line; what it raises stops the command.

    Returns:
        The exit status (negative: the signal that ended it).

    Raises:
        NfvcapError: NFV-RUN-001 program missing, NFV-RUN-002 time limit.
    """
    words = [str(word) for word in argv]
    reader, writer = os.pipe()
    parent = os.getpid()
    mark = f"{parent}-{secrets.token_hex(8)}"
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env, events_variable: f"/dev/fd/{writer}", _MARK: mark},
                pass_fds=(writer,),
                # A session of its own: Ctrl-C reaches us alone, and we decide how the command ends.
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - one prctl call, no locks taken
            )
    except FileNotFoundError as error:
        os.close(reader)
        raise NfvcapError(
            "NFV-RUN-001", f"cannot run {words[0]}: not found", str(error), "reinstall nfvcap with its dependencies"
        ) from error
    finally:
        os.close(writer)
    try:
        for line in _lines(reader, process, time.monotonic() + timeout_s):
            on_line(line)
        return process.wait(timeout=_GRACE_S)
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise NfvcapError(
            "NFV-RUN-002",
            f"{Path(words[0]).name} did not end within {timeout_s:g} s",
            "it was stopped; the last it said:\n" + tail(log.read_text(errors="replace")),
            f"try it by hand: {pasteable(words, env)}",
        ) from error
    finally:
        os.close(reader)
        if process.poll() is None or process.returncode < 0:
            stop(process, mark)


def stop(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a command and everything it started; returns when none of it runs any more.

    Ansible's workers are session leaders and can outlive it, so neither the process group nor the tree of parents
    finds them all: what a marked process starts has the mark in its environment, wherever it hangs.
    """
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_GRACE_S)
    end = time.monotonic() + _GRACE_S
    while family := _marked(mark):
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    process.wait()


def _die_with(parent: int) -> None:
    """In the child: be stopped when nfvcap dies, even by SIGKILL, so that no half of a run goes on unseen."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _lines(reader: int, process: subprocess.Popen[bytes], deadline_s: float) -> Iterator[str]:
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            if not selector.select(_TICK_S):
                if time.monotonic() > deadline_s:
                    raise TimeoutError
                if process.poll() is not None:
                    return  # its orphans keep the pipe open
                continue
            chunk = os.read(reader, 1 << 16)
            if not chunk:
                return
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)


def _marked(mark: str) -> list[int]:
    """Living processes that carry the mark, this one's zombies not counted."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
