# SPDX-License-Identifier: Apache-2.0
"""QEMU's control socket: one command, one answer."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nfvcap.lab.errors import LabError


class Qmp:
    """A connection to a running QEMU; use as a context manager.

    Args:
        path: the UNIX socket.
        timeout_s: limit for every answer.

    Raises:
        LabError: NFV-LAB-003 nobody answers, or QEMU refuses a command.
    """

    def __init__(self, path: Path, timeout_s: float = 10) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._lines.readline()
            self.execute("qmp_capabilities")
        except OSError as error:
            self._socket.close()
            raise self._silent(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run one command and return what it returns; events in between are skipped."""
        request = {"execute": command} | ({"arguments": arguments} if arguments else {})
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while line := self._lines.readline():
                answer = json.loads(line)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise LabError(3, f"QEMU refuses {command}", str(answer["error"].get("desc", answer["error"])))
        except OSError as error:
            raise self._silent(error) from error
        raise self._silent(ConnectionError("the connection was closed"))

    def monitor(self, line: str) -> str:
        """A command of the human monitor, for what QMP has no command of its own."""
        return str(self.execute("human-monitor-command", **{"command-line": line}))

    def _silent(self, error: OSError) -> LabError:
        return LabError(3, "QEMU does not answer on its control socket", f"{self._path}: {error}", "nfvcap lab status")
