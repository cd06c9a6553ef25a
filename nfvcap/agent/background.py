# SPDX-License-Identifier: Apache-2.0
"""A capture that runs beside its caller: ready when entered, ended when left, whatever happens in between."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from nfvcap.agent.beside import Beside
from nfvcap.agent.options import CaptureOptions
from nfvcap.agent.reports import CaptureReport
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import pasteable, tail

_POLL_S = 0.005
_STOP_S = 60.0


class RunningCapture:
    """Made by :meth:`nfvcap.agent.client.Agent.start`; a context manager."""

    def __init__(self, program: str, options: CaptureOptions, scratch: Path, ready_s: float) -> None:
        self._ready, self._ready_s = scratch / "ready", ready_s
        argv = [program, *dataclasses.replace(options, ready_file=self._ready, json_file=None).argv()]
        self._run = Beside(argv, scratch / "report.json", scratch / "messages", _STOP_S)

    @property
    def pid(self) -> int:
        """Its process id, for signals such as SIGHUP (begin new files)."""
        return self._run.pid

    def __enter__(self) -> Self:
        self._ready.unlink(missing_ok=True)
        self._run.begin()
        try:
            self._wait_ready(self._run.process)
        except BaseException:
            self._run.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.end()

    def check(self) -> None:
        """Does it go on? Raises NfvcapError NFV-AGENT-003 when it has ended by itself."""
        status = self._run.process.poll()
        if status is not None:
            raise self._run.failed(status)

    def stop(self, timeout_s: float = _STOP_S) -> CaptureReport:
        """End it (SIGTERM: files are whole) and return its report.

        Raises:
            NfvcapError: NFV-AGENT-003 it failed or did not end, NFV-AGENT-004 its report cannot be read.
        """
        process = self._run.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> CaptureReport:
        """The report of a capture that ends by itself. Raises as :meth:`stop`."""
        process = self._run.process
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise NfvcapError(
                "NFV-AGENT-003",
                f"the capture did not end within {timeout_s:g} s",
                tail(self._run.said),
                f"try it by hand: {pasteable(self._run.argv)}",
            ) from error
        report = self._run.printed
        if status not in {ExitCode.OK, ExitCode.CHECK_FAILED} or not report.strip():
            raise self._run.failed(status)
        return CaptureReport.parse(report)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._ready_s
        while not self._ready.exists():
            status = process.poll()
            if status is not None and not self._ready.exists():
                raise self._run.failed(status)
            if time.monotonic() > deadline:
                raise NfvcapError(
                    "NFV-AGENT-005",
                    f"the capture was not ready after {self._ready_s:g} s",
                    tail(self._run.said),
                    f"try it by hand: {pasteable(self._run.argv)}",
                )
            time.sleep(_POLL_S)
