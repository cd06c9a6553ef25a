# SPDX-License-Identifier: Apache-2.0
"""Wireshark's tools count the closed file of every trial as well, beside our own recount of it.

python -m tests.agent.crossed WORDS: the command line, whose trials are counted in this way.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nfvcap.verify.packets.path import Recount, Sent
from nfvcap.verify.packets.points.guest import GuestCapturing
from nfvcap.verify.packets.points.local import FCS_BYTES, LocalCapturing

NUMBERED = "udp.dstport == 51966 && udp.length"
Capturing = LocalCapturing | GuestCapturing


def has_tools() -> bool:
    return bool(shutil.which("capinfos") and shutil.which("tshark"))


def files_of(capturing: Capturing) -> list[Path]:
    """The closed files of a trial; those of a guest that is a namespace are on this machine."""
    if isinstance(capturing, LocalCapturing):
        return [capturing.path]
    return sorted(Path(capturing.directory).glob("captured*.pcap"))


def by_capinfos(files: Sequence[Path]) -> int:
    done = subprocess.run(["capinfos", "-cM", *files], capture_output=True, text=True, check=True)
    return sum(int(part.split()[0]) for part in done.stdout.split("packets:")[1:])


def by_tshark(files: Sequence[Path]) -> Counter[int]:
    """Sizes of the numbered frames, with frame check sequence."""
    sizes: Counter[int] = Counter()
    for file in files:
        words = ["tshark", "-r", str(file), "-Y", NUMBERED, "-T", "fields", "-e", "frame.len"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        sizes.update(int(line) + FCS_BYTES for line in done.stdout.split())
    return sizes


class Crossed:
    """What was counted, trial by trial."""

    def __init__(self) -> None:
        self.packets: list[int] = []
        self.sizes: list[Counter[int]] = []
        self.with_tshark = False  # it takes its time

    def count(self, capturing: Capturing, recount: Recount) -> None:
        """Compare; a file that our recount calls damaged is nobody's to count."""
        files = files_of(capturing)
        assert files, "there is no file to count"
        if recount.damaged:
            return
        self.packets.append(by_capinfos(files))
        assert self.packets[-1] == recount.packets, "capinfos counts otherwise"
        if self.with_tshark:
            self.sizes.append(by_tshark(files))


def cross(setattr_: Any = setattr) -> Crossed:
    """From now on every recount is compared with that of capinfos, where it is installed."""
    made = Crossed()
    if not has_tools():
        return made
    for kind in (LocalCapturing, GuestCapturing):
        plain: Any = kind.recount

        def recount(self: Any, sent: Sent, plain: Any = plain) -> Recount:
            found: Recount = plain(self, sent)
            made.count(self, found)
            return found

        setattr_(kind, "recount", recount)
    return made


if __name__ == "__main__":
    from nfvcap.cli.main import main

    cross()
    main(sys.argv[1:])
