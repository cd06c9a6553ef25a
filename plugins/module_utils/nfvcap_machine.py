# SPDX-License-Identifier: Apache-2.0
"""Everything that reading a machine may ask: its files, a few programs, and what only system calls tell.

A test plants a tree and overrides the four methods below the files; nothing else in the reading code touches the
operating system.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from .nfvcap_command import Completed, run
from .nfvcap_numbers import parse_list
from .nfvcap_root import Root

_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 0x00000003
_DRVINFO = struct.Struct("=I32s32s32s32s32s12sIIIII")


class Machine(Root):
    """A machine that is read. ``root`` other than "/" is a planted tree: programs do not run for it."""

    def run(self, argv: list[str]) -> Completed:
        """Run a program to its end; never raises."""
        if self.path:
            return Completed(argv, 127, "", f"programs are not run for the tree {self.path}")
        return run(argv)

    def numbers(self, path: str, parse: Callable[[str | None], list[int]] = parse_list) -> list[int]:
        """The list of numbers in a file; none when it is not there, and a problem when it is something else."""
        try:
            return parse(self.value(path))
        except ValueError:
            self.problem(f"{path} is no list of numbers")
            return []

    def json(self, argv: list[str], kind: type) -> Any:
        """What a program prints as JSON of a kind (list, dict); an empty one, and a problem, when it does not."""
        done = self.run(argv)
        if not done.ok:
            self.problem(done.complaint)
            return kind()
        try:
            found = json.loads(done.stdout) if done.stdout.strip() else kind()
        except ValueError as error:
            self.problem(f"{' '.join(argv)}: no JSON: {error}")
            return kind()
        if not isinstance(found, kind):
            self.problem(f"{' '.join(argv)}: JSON, but no {kind.__name__}")
            return kind()
        return found

    def identity(self) -> tuple[str, str, str]:
        """Host name, kernel release, hardware name."""
        system = os.uname()
        return system.nodename, system.release, system.machine

    def process(self) -> tuple[int, str | None]:
        """Number of this process, and SSH_CONNECTION from its environment (sudo removes it)."""
        return os.getpid(), os.environ.get("SSH_CONNECTION")

    def firmware(self, interface: str) -> str | None:
        """Firmware version that the driver of a network interface reports (`ethtool -i`), without a fork."""
        if self.path:
            return None
        answer = array.array("B", bytes(_DRVINFO.size))
        struct.pack_into("=I", answer, 0, _ETHTOOL_GDRVINFO)
        request = struct.pack("16sP", interface.encode()[:15], answer.buffer_info()[0])
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
                fcntl.ioctl(door.fileno(), _SIOCETHTOOL, request)
        except OSError:
            return None  # not every driver has this operation
        text = _DRVINFO.unpack(answer.tobytes())[3].split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return None if text in ("", "N/A", "N/A, N/A") else text
