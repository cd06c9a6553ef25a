# SPDX-License-Identifier: Apache-2.0
"""A process of the agent that runs beside its caller, and not a moment longer: not even when that one is killed."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from nfvcap.agent.failures import failure
from nfvcap.errors import NfvcapError

# The caller holds the other end of standard input. When that is closed because the caller has died, the agent is told
# to end. The shell becomes the agent, so that signals reach it; what is left of the shell looks whether the agent is
# still its parent before it sends one, as numbers of processes are used again.
_HERE = """
exec 3<&0 </dev/null
( read -r _ <&3; read -r _ _ _ parent _ </proc/self/stat; [ "$parent" = $$ ] && kill -TERM $$ ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class Beside:
    """One process; made not yet running.

    Args:
        argv: the whole command.
        out, err: files for what it prints.
        stop_s: how long it may take to end when it is asked to.
        held: the command that runs it where it runs, when that is another machine: a signal does not get there, so
            closing its standard input asks it to end.
    """

    def __init__(self, argv: list[str], out: Path, err: Path, stop_s: float, held: Sequence[str] = ()) -> None:
        self.argv = argv
        self._away = bool(held)
        self._words = list(held) or ["sh", "-c", _HERE, "sh", *argv]
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
        if not self._away and shutil.which(self.argv[0]) is None:
            raise NfvcapError("NFV-AGENT-003", f"cannot run {self.argv[0]}", "there is no such program",
                              "NFVCAP_AGENT names one; without it the agent is built")  # fmt: skip
        with self._out.open("wb") as out, self._err.open("wb") as err:
            try:
                # A session of its own: Ctrl-C reaches the caller alone, who ends it in good order.
                self._process = subprocess.Popen(
                    self._words, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                what = f"cannot run {self._words[0]}"
                raise NfvcapError("NFV-AGENT-003", what, str(error)) from error

    def end(self) -> None:
        """End it if it still runs: it is asked to, and after its time gets SIGKILL."""
        if self._away:
            self._let_go()
        elif self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def failed(self, status: int) -> NfvcapError:
        """What it said, as an error."""
        return failure(self.argv, status, self.said)
