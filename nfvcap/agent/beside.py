# SPDX-License-Identifier: Apache-2.0
"""A process of the agent that runs beside its caller."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from nfvcap.agent.failures import failure
from nfvcap.errors import NfvcapError


class Beside:
    """One process; made not yet running.

    Args:
        argv: the whole command.
        out, err: files for what it prints.
        stop_s: how long it may take to end when it is asked to.
    """

    def __init__(self, argv: list[str], out: Path, err: Path, stop_s: float) -> None:
        self.argv = argv
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
                    self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise NfvcapError("NFV-AGENT-003", f"cannot run {self.argv[0]}", str(error)) from error

    def end(self) -> None:
        """End it if it still runs: SIGTERM, and after its time SIGKILL."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def failed(self, status: int) -> NfvcapError:
        """What it said, as an error."""
        return failure(self.argv, status, self.said)
