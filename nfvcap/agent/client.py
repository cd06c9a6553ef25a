# SPDX-License-Identifier: Apache-2.0
"""Runs the agent's commands and reads their reports; on this machine, or wherever the given runner takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from nfvcap.agent.background import RunningCapture
from nfvcap.agent.failures import failure
from nfvcap.agent.options import CaptureOptions, CheckOptions, GenerateOptions, MergeOptions
from nfvcap.agent.reports import CaptureReport, CheckReport, GenerateReport, MergeReport, Report
from nfvcap.errors import ExitCode
from nfvcap.run import Completed, run

Runner = Callable[[Sequence[str], float], Completed]
"""Runs an argument list to its end within so many seconds; any exit status is returned, not raised."""
R = TypeVar("R", bound=Report)

# Statuses that come with a report: done, a check failed or packets were lost, not all was sent, interrupted.
_CAPTURE_OK = {ExitCode.OK, ExitCode.CHECK_FAILED}
_GENERATE_OK = {ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.INTERRUPTED}
_CHECK_OK = {ExitCode.OK, ExitCode.CHECK_FAILED}


def here(argv: Sequence[str], timeout_s: float) -> Completed:
    """The runner for this machine."""
    return run(argv, timeout_s=timeout_s, check=False)


class Agent:
    """An installed agent.

    Args:
        program: its path, on the machine that ``runner`` runs it on.
        runner: how to run it; the default runs it here.
    """

    def __init__(self, program: str | Path, runner: Runner = here) -> None:
        self.program = str(program)
        self._runner = runner

    def version(self) -> str:
        """``0.1.0``, as the program says it."""
        done = self._run(["--version"], 20, {ExitCode.OK})
        return done.stdout.split()[1] if len(done.stdout.split()) > 1 else ""

    def dpdk(self) -> str:
        """The DPDK that it was built with, ``24.11.2``; "" when it does not say."""
        lines = self._run(["--version"], 20, {ExitCode.OK}).stdout.splitlines()
        return next((line.split()[1].rstrip(",") for line in lines if line.startswith("DPDK ")), "")

    def capture(self, options: CaptureOptions, *, timeout_s: float) -> CaptureReport:
        """A capture that ends by itself: by its duration, number of packets or idle time.

        Raises:
            NfvcapError: NFV-AGENT-003 it refused or failed, NFV-AGENT-004 its report cannot be read,
                NFV-RUN-002 it did not end in time.
        """
        return self._report(CaptureReport, options.argv(), timeout_s, _CAPTURE_OK)

    def start(
        self, options: CaptureOptions, scratch: Path, *, ready_s: float = 60
    ) -> AbstractContextManager[RunningCapture]:
        """A capture in the background on this machine, ready when the block is entered, ended when it is left.

        Args:
            options: what to capture; its ``ready_file`` is filled in.
            scratch: directory for the ready file and what the program prints.
            ready_s: how long it may take to become ready.

        Raises:
            NfvcapError: NFV-AGENT-003 it ended early, NFV-AGENT-005 it did not become ready.
        """
        return RunningCapture(self.program, options, scratch, ready_s)

    def generate(self, options: GenerateOptions, *, timeout_s: float = 600) -> GenerateReport:
        """Send, and return what was really sent. Raises as :meth:`capture`."""
        return self._report(GenerateReport, options.argv(), timeout_s, _GENERATE_OK)

    def check(self, options: CheckOptions, *, timeout_s: float = 3600) -> CheckReport:
        """Recount closed files; a bad verdict is a report, not an error. Raises as :meth:`capture`."""
        return self._report(CheckReport, options.argv(), timeout_s, _CHECK_OK)

    def merge(self, options: MergeOptions, *, timeout_s: float = 3600) -> MergeReport:
        """Join files in time order. Raises as :meth:`capture`; a damaged input is NFV-AGENT-003."""
        return self._report(MergeReport, options.argv(), timeout_s, {ExitCode.OK})

    def _report(self, kind: type[R], words: list[str], timeout_s: float, good: set[ExitCode]) -> R:
        return kind.parse(self._run(words, timeout_s, good).stdout)

    def _run(self, words: list[str], timeout_s: float, good: set[ExitCode]) -> Completed:
        argv = [self.program, *words]
        done = self._runner(argv, timeout_s)
        if done.returncode not in good or (done.returncode != ExitCode.OK and not done.stdout.strip()):
            raise failure(argv, done.returncode, done.stderr)
        return done
