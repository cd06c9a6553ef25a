# SPDX-License-Identifier: Apache-2.0
"""A way in by a command in front: ssh, `ip netns exec`, or nothing at all for this machine."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.run import Completed, run

_SSH_FAILED = 255
_COPY_TIMEOUT_S = 600
_PUT = 'cat >"$1.new" && chmod 700 "$1.new" && mv "$1.new" "$1"'


@dataclass(frozen=True)
class CommandDoor:
    """See :class:`nfvcap.door.door.Door`.

    Args:
        name: where it leads.
        prefix: words in front of every command; () for this machine.
        shell: the far end joins the words and gives them to a shell, as ssh does.
    """

    name: str
    prefix: tuple[str, ...] = ()
    shell: bool = False

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        done = run(self.words(argv), timeout_s=timeout_s, check=False)
        self._reached(done.returncode, done.stderr)
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    def put(self, data: bytes, path: str) -> None:
        self._bytes(["sh", "-c", _PUT, "sh", path], data)

    def fetch(self, path: str, target: Path) -> int:
        """The file is whole under its name, or not there."""
        half = target.with_name(f"{target.name}.part")
        with half.open("wb") as out:
            self._bytes(["cat", path], b"", out.fileno())
        half.replace(target)
        return target.stat().st_size

    def words(self, argv: Sequence[str]) -> list[str]:
        """The whole command on this machine."""
        return [*self.prefix, *([shlex.join(argv)] if self.shell else argv)]

    def _bytes(self, argv: Sequence[str], data: bytes, out: int = subprocess.PIPE) -> None:
        words = self.words(argv)
        try:
            done = subprocess.run(words, input=data, stdout=out, stderr=subprocess.PIPE, timeout=_COPY_TIMEOUT_S,
                                  check=False)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NfvcapError("NFV-GUEST-031", f"a file could not be copied from or to {self.name}", str(error),
                              "is there room, and does the connection stand?") from error  # fmt: skip
        said = done.stderr.decode("utf-8", "replace")
        self._reached(done.returncode, said)
        if done.returncode != 0:
            raise NfvcapError("NFV-GUEST-031", f"a file could not be copied from or to {self.name}", said.strip(),
                              "is there room, and may the login read and write there?")  # fmt: skip

    def _reached(self, status: int, said: str) -> None:
        if self.shell and status == _SSH_FAILED:
            last = (said.strip().splitlines() or ["ssh said nothing"])[-1]
            raise NfvcapError("NFV-GUEST-032", f"{self.name} cannot be reached", last,
                              "does the machine run, and does ssh with the inventory's settings work?",
                              ExitCode.UNREACHABLE)  # fmt: skip
