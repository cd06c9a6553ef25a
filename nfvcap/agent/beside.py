# SPDX-License-Identifier: Apache-2.0
"""A process of the agent that runs beside its caller."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from nfvcap.agent.failures import failure
from nfvcap.errors import NfvcapError


class Beside:
    """One process; made not yet running.

    Args:
        argv: the whole command.
        out, err: files for what it prints.
        stop_s: how long it may take to end when it is asked to.
        held: the command that runs it where it runs, when that is another machine: a signal does not get there, so its
            standard input is held open, and closed to ask it to end.
    """

    def __init__(self, argv: list[str], out: Path, err: Path, stop_s: float, held: Sequence[str] = ()) -> None:
        self.argv = argv
        self._held = list(held)
        self._out, self._err, self._stop_s = out, err, stop_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, for signals such as SIGHUP (begin new files)."""
        return self.process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it is started by entering its block"
        return self._process

    @property
    def printed(self) -> str:
        """Its standard output until now."""
        return self._out.read_text(encoding="utf-8")

    @property
    def said(self) -> str:
        """Its messages until now."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def begin(self) -> None:
        """Start it.

        Raises:
            NfvcapError: NFV-AGENT-003 there is no such program.
        """
        with self._out.open("wb") as out, self._err.open("wb") as err:
            try:
                # A session of its own: Ctrl-C reaches the caller alone, who ends it in good order.
                self._process = subprocess.Popen(
                    self._held or self.argv, stdin=subprocess.PIPE if self._held else subprocess.DEVNULL, stdout=out,
                    stderr=err, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                what = f"cannot run {(self._held or self.argv)[0]}"
                raise NfvcapError("NFV-AGENT-003", what, str(error)) from error

    def end(self) -> None:
        """End it if it still runs: it is asked to, and after its time gets SIGKILL."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        if self.process.poll() is not None:
            return
        if not self._held:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def failed(self, status: int) -> NfvcapError:
        """What it said, as an error."""
        return failure(self.argv, status, self.said)
