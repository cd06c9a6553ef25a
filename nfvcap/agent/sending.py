# SPDX-License-Identifier: Apache-2.0
"""A generator that runs beside its caller: sending when entered, gone when left, whatever happens in between."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from nfvcap.agent.beside import Beside
from nfvcap.agent.options import GenerateOptions
from nfvcap.agent.reports import GenerateReport
from nfvcap.errors import NfvcapError
from nfvcap.run import pasteable, tail

_POLL_S = 0.01
_STOP_S = 10.0
_LINGER = ("--linger", "1h")


class RunningGenerator:
    """A context manager. The port stays open behind the report until the block is left: a memif link is torn down for
    both sides when one of them leaves.

    Args:
        held: makes the command that runs it on another machine; see :class:`nfvcap.agent.brought.Brought`.
    """

    def __init__(
        self, program: str, options: GenerateOptions, scratch: Path,
        held: Callable[[list[str]], list[str]] | None = None,
    ) -> None:  # fmt: skip
        argv = [program, *dataclasses.replace(options, extra=(*options.extra, *_LINGER)).argv()]
        words = held(argv) if held else ()
        self._run = Beside(argv, scratch / "sent.json", scratch / "sender-messages", _STOP_S, words)

    @property
    def argv(self) -> list[str]:
        """The whole command."""
        return self._run.argv

    @property
    def pid(self) -> int:
        return self._run.pid

    @property
    def done(self) -> bool:
        """Is there a report, or will there be none?"""
        return _whole(self._run.printed) or self._run.process.poll() is not None

    def end(self) -> None:
        """Stop sending; what was sent until now is told by :meth:`wait`."""
        self._run.end()

    def __enter__(self) -> Self:
        self._run.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.end()

    def wait(self, timeout_s: float) -> GenerateReport:
        """What was sent, once all of it was.

        Raises:
            NfvcapError: NFV-AGENT-003 it failed or was not done in time, NFV-AGENT-004 its report cannot be read.
        """
        process, deadline = self._run.process, time.monotonic() + timeout_s
        while True:
            ended = process.poll() is not None
            text = self._run.printed
            if _whole(text):
                return GenerateReport.parse(text)
            if ended:
                raise self._run.failed(process.returncode)
            if time.monotonic() > deadline:
                raise NfvcapError(
                    "NFV-AGENT-003",
                    f"the generator was not done within {timeout_s:g} s",
                    tail(self._run.said),
                    f"try it by hand: {pasteable(self.argv)}",
                )
            time.sleep(_POLL_S)


def _whole(text: str) -> bool:
    return text.endswith("\n}\n")
