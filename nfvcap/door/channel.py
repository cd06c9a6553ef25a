# SPDX-License-Identifier: Apache-2.0
"""A way into a guest through the QEMU guest agent: a small program on the host asks it, over one ssh connection.

The guest needs neither network nor login. The program travels in the command, so nothing is installed on the host.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import queue
import subprocess
import threading
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nfvcap.door.command import CommandDoor
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.paths import data_dir
from nfvcap.run import Completed

PACKAGE = "nfvcap_away"
_PARTS = ("doorserver", "guestagent", "command", "failure", "libvirt")
_PROGRAM = (
    "import base64,os,sys;f=os.memfd_create('nfvcap');os.write(f,base64.b64decode('{packed}'));"
    f"sys.path.insert(0,'/proc/self/fd/%d'%f);from {PACKAGE}.nfvcap_doorserver import main;main(sys.argv[1])"
)
_START_S = 90.0
_ANSWER_S = 60.0  # for one command of the agent on a processor that is emulated twice, and the way there and back
_COPY_S = 900.0
_END_S = 5.0


class ChannelDoor:
    """See :class:`nfvcap.door.door.Door`; a context manager.

    Args:
        guest: name of the guest.
        argv: runs the program beside the guest; see :func:`server_words`.
        host: for people.
    """

    def __init__(self, guest: str, argv: Sequence[str], host: str) -> None:
        self.name = f"guest {guest} (QEMU guest agent of {host})"
        self._guest, self._argv, self._host = guest, list(argv), host
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()
        self._said: list[str] = []
        self._lock = threading.Lock()
        self._number = 0

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C reaches the caller alone, who still needs the way to put things in order.
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        for work in (self._read, self._listen):
            threading.Thread(target=work, daemon=True).start()
        try:
            self._answer(None, _START_S)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        request = {"op": "run", "argv": list(argv), "timeout_s": timeout_s}
        answer = self._ask(request, timeout_s + _ANSWER_S)
        return Completed(tuple(argv), answer["status"], answer["stdout"], answer["stderr"])

    def put(self, data: bytes, path: str) -> None:
        self._ask({"op": "put", "path": path, "data": base64.b64encode(data).decode()}, _COPY_S)

    def fetch(self, path: str, target: Path) -> int:
        """The file is whole under its name, or not there."""
        half = target.with_name(f"{target.name}.part")
        with self._lock, half.open("wb") as out:
            number = self._send({"op": "get", "path": path})
            while True:
                part = self._answer(number, _ANSWER_S * 2)
                out.write(base64.b64decode(part["data"]))
                if part["end"]:
                    break
        half.replace(target)
        return target.stat().st_size

    def _ask(self, request: dict[str, Any], timeout_s: float) -> Any:
        with self._lock:
            return self._answer(self._send(request), timeout_s)

    def _send(self, request: dict[str, Any]) -> int:
        process = self._running()
        assert process.stdin is not None
        self._number += 1
        try:
            process.stdin.write(json.dumps({"id": self._number, **request}) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise self._cut(str(error)) from error
        return self._number

    def _answer(self, number: int | None, timeout_s: float) -> Any:
        """The answer to a request; those to earlier ones, whose askers were interrupted, are of no use any more."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self._cut(f"no answer within {timeout_s:g} s") from None
            if not line:
                self._lines.put("")  # for whoever asks next
                raise self._cut("the connection was cut")
            answer = json.loads(line)
            if number is None or answer.get("id") == number:
                break
        if "error" in answer:
            words = answer["error"]
            raise NfvcapError(words["code"], words["what"], words["why"], words["fix"])
        return answer

    def _cut(self, why: str) -> NfvcapError:
        last = f"; the last words: {self._said[-1]}" if self._said else ""
        return NfvcapError(
            "NFV-GUEST-032", f"{self.name} cannot be reached", f"{why}{last}",
            f"does the guest run, and does ssh to {self._host} work?", ExitCode.UNREACHABLE,
        )  # fmt: skip

    def _read(self) -> None:
        stream = self._running().stdout
        assert stream is not None
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def _listen(self) -> None:
        stream = self._running().stderr
        assert stream is not None
        for line in stream:
            self._said[:] = [line.strip()]

    def _end(self) -> None:
        process = self._running()
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "a way is opened by entering its block"
        return self._process


@functools.cache
def packed() -> str:
    """The program and what it needs of the modules' own code, as a zip file in base64."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{PACKAGE}/__init__.py", "")
        for part in _PARTS:
            path = data_dir() / "plugins" / "module_utils" / f"nfvcap_{part}.py"
            archive.write(path, f"{PACKAGE}/{path.name}")
    return base64.b64encode(data.getvalue()).decode()


def server_words(host: CommandDoor, guest: str, python: str = "python3") -> list[str]:
    """The command that runs the program on the guest's host."""
    return host.words([python, "-I", "-c", _PROGRAM.format(packed=packed()), guest])
