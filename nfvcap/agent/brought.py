# SPDX-License-Identifier: Apache-2.0
"""The agent brought to a machine for a while, to send from there, and taken away with everything that came along.

Both hang on connections that the caller holds: when they end, because the caller is killed or the way is cut, the
generator is told to end and the directory goes. What a machine that lost power has left is removed by the next caller.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nfvcap.agent.beside import Beside
from nfvcap.agent.deploy import deploy
from nfvcap.agent.options import GenerateOptions
from nfvcap.agent.sending import RunningGenerator
from nfvcap.door.command import CommandDoor
from nfvcap.door.door import must, shell
from nfvcap.errors import NfvcapError
from nfvcap.scratch import scratch

# Whoever holds the other end of standard input keeps the generator going. When that end is closed, by hand, by the
# death of the caller or by a cut of the connection, the generator is told to end, and its report still comes.
_HELD = """
exec 3<&0
"$@" </dev/null 3<&- & p=$!
( read -r _ <&3; kill -TERM "$p" ) >/dev/null 2>&1 & w=$!
exec 3<&-
wait "$p"; s=$?
kill "$w" 2>/dev/null
exit "$s"
"""

_PLACE = "/var/tmp/nfvcap-source-"
# A directory whose keeper is not there is nobody's. One without a keeper is being made, or older than this script.
_MAKE = """
for d in "$1"*; do
  [ -d "$d" ] && [ ! -L "$d" ] && [ -O "$d" ] || continue
  if p=$(cat "$d/keeper" 2>/dev/null); then
    tr '\\0' '\\n' <"/proc/$p/cmdline" 2>/dev/null | grep -Fqx "$d" && continue
  else
    [ -n "$(find "$d" -prune -mmin +60)" ] || continue
  fi
  rm -rf "$d"
done
mkdir -m 700 "$2"
"""
_KEEP = """
trap '' HUP
echo $$ >"$1/keeper" && read -r _
rm -rf "$1"
"""
_END_S = 10.0


class Brought:
    """An agent in a directory of its own on the machine behind ``door``."""

    def __init__(self, door: CommandDoor, place: str) -> None:
        self._door, self._place = door, place
        self._files: dict[str, str] = {}

    @property
    def program(self) -> str:
        return f"{self._place}/nfvcap-agent"

    def file(self, path: str) -> str:
        """Where a file of this machine is there; it is brought when it is asked for first. Raises the door's errors."""
        if path not in self._files:
            there = f"{self._place}/{len(self._files)}{Path(path).suffix}"
            self._door.put(Path(path).read_bytes(), there)
            self._files[path] = there
        return self._files[path]

    def generator(self, options: GenerateOptions, scratch: Path) -> RunningGenerator:
        """A generator there, for as long as its block, but not longer than the connection stands."""
        return RunningGenerator(self.program, options, scratch, held=self._held)

    def _held(self, argv: list[str]) -> list[str]:
        return self._door.words(["sh", "-c", _HELD, "sh", *argv])


@contextmanager
def brought(door: CommandDoor, program: Path) -> Iterator[Brought]:
    """The agent there as long as the block.

    Args:
        program: the build on this machine.

    Raises:
        NfvcapError: NFV-AGENT-006 it does not run there; the door's own.
    """
    place = f"{_PLACE}{secrets.token_hex(4)}"
    must(shell(door, _MAKE, _PLACE, place), door)
    with scratch("nfvcap-keep-") as here:
        argv = ["sh", "-c", _KEEP, "sh", place]
        keeper = Beside(argv, here / "out", here / "messages", _END_S, door.words(argv))
        keeper.begin()
        try:
            deploy(door, program, f"{place}/nfvcap-agent")
            yield Brought(door, place)
        finally:
            keeper.end()
            # A machine that is gone needs no putting in order, and what was sent from it counts.
            with contextlib.suppress(NfvcapError):
                shell(door, 'rm -rf "$1"', place)
