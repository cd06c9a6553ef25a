# SPDX-License-Identifier: Apache-2.0
"""A generator that runs beside its caller: sending when entered, gone when left, whatever happens in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from nfvcap.agent.failures import failure
from nfvcap.agent.options import GenerateOptions
from nfvcap.agent.reports import GenerateReport
from nfvcap.errors import NfvcapError
from nfvcap.run import pasteable, tail

_POLL_S = 0.01
_STOP_S = 10.0
_LINGER = ("--linger", "1h")


class RunningGenerator:
    """A context manager. The port stays open behind the report until the block is left: a memif link is torn down for
    both sides when one of them leaves."""

    def __init__(self, program: str, options: GenerateOptions, scratch: Path) -> None:
        self.argv = [program, *dataclasses.replace(options, extra=(*options.extra, *_LINGER)).argv()]
        self._out, self._err = scratch / "sent.json", scratch / "sender-messages"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            try:
                # A session of its own: Ctrl-C reaches the caller alone, who stops the source first.
                self._process = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise NfvcapError("NFV-AGENT-003", f"cannot run {self.argv[0]}", str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pid(self) -> int:
        return self._running().pid

    def wait(self, timeout_s: float) -> GenerateReport:
        """What was sent, once all of it was.

        Raises:
            NfvcapError: NFV-AGENT-003 it failed or was not done in time, NFV-AGENT-004 its report cannot be read.
        """
        process, deadline = self._running(), time.monotonic() + timeout_s
        while True:
            ended = process.poll() is not None
            text = self._out.read_text(encoding="utf-8")
            if text.endswith("\n}\n"):
                return GenerateReport.parse(text)
            if ended:
                said = self._err.read_text(encoding="utf-8", errors="replace")
                raise failure(self.argv, process.returncode, said)
            if time.monotonic() > deadline:
                raise NfvcapError(
                    "NFV-AGENT-003",
                    f"the generator was not done within {timeout_s:g} s",
                    tail(self._err.read_text(encoding="utf-8", errors="replace")),
                    f"try it by hand: {pasteable(self.argv)}",
                )
            time.sleep(_POLL_S)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "a generator is started by entering its block"
        return self._process
