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

from nfvcap.agent.failures import failure
from nfvcap.agent.options import CaptureOptions
from nfvcap.agent.reports import CaptureReport
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import pasteable, tail

_POLL_S = 0.005
_STOP_S = 60.0


class RunningCapture:
    """Made by :meth:`nfvcap.agent.client.Agent.start`; a context manager."""

    def __init__(self, program: str, options: CaptureOptions, scratch: Path, ready_s: float) -> None:
        self._ready = scratch / "ready"
        self._argv = [program, *dataclasses.replace(options, ready_file=self._ready, json_file=None).argv()]
        self._out, self._err = scratch / "report.json", scratch / "messages"
        self._ready_s = ready_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, for signals such as SIGHUP (begin new files)."""
        return self._running().pid

    def __enter__(self) -> Self:
        self._ready.unlink(missing_ok=True)
        with self._out.open("wb") as out, self._err.open("wb") as err:
            try:
                # A session of its own: Ctrl-C reaches the caller alone, who ends the capture with whole files.
                self._process = subprocess.Popen(
                    self._argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
                )
            except OSError as error:
                raise NfvcapError("NFV-AGENT-003", f"cannot run {self._argv[0]}", str(error)) from error
        try:
            self._wait_ready(self._process)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def stop(self, timeout_s: float = _STOP_S) -> CaptureReport:
        """End it (SIGTERM: files are whole) and return its report.

        Raises:
            NfvcapError: NFV-AGENT-003 it failed or did not end, NFV-AGENT-004 its report cannot be read.
        """
        process = self._running()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> CaptureReport:
        """The report of a capture that ends by itself. Raises as :meth:`stop`."""
        process = self._running()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise NfvcapError(
                "NFV-AGENT-003",
                f"the capture did not end within {timeout_s:g} s",
                tail(self._said()),
                f"try it by hand: {pasteable(self._argv)}",
            ) from error
        report = self._out.read_text(encoding="utf-8")
        if status not in {ExitCode.OK, ExitCode.CHECK_FAILED} or not report.strip():
            raise self._failure(status)
        return CaptureReport.parse(report)

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._ready_s
        while not self._ready.exists():
            status = process.poll()
            if status is not None and not self._ready.exists():
                raise self._failure(status)
            if time.monotonic() > deadline:
                raise NfvcapError(
                    "NFV-AGENT-005",
                    f"the capture was not ready after {self._ready_s:g} s",
                    tail(self._said()),
                    f"try it by hand: {pasteable(self._argv)}",
                )
            time.sleep(_POLL_S)

    def _failure(self, status: int) -> NfvcapError:
        return failure(self._argv, status, self._said())

    def _said(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "a capture is started by entering its block"
        return self._process

    def _end(self) -> None:
        process = self._running()
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
