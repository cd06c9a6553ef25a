# SPDX-License-Identifier: Apache-2.0
"""The serial console of a lab server: its log, what a log says about a boot that fails, and a live connection."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import termios
import tty
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?!=]*[A-Za-z]|[()][A-Z0-9]|[c=>78])|\r|[\x00-\x08\x0b-\x1f]")
LEAVE = b"\x1d"  # Ctrl-]
# What stands in the log → what it means. The first that is found ends the wait for a boot.
_FATAL = {
    "Kernel panic - not syncing": "the kernel of the lab server panicked",
    "grub rescue>": "GRUB did not find the root file system",
    "Entering emergency mode": "systemd gave up and offers a rescue shell",
    "You are in emergency mode": "systemd gave up and offers a rescue shell",
    "(initramfs)": "the initramfs did not find the root file system",
    "Shell>": "the firmware found nothing to boot",
}


def read(path: Path) -> str:
    """The log as plain text: terminal control sequences removed."""
    try:
        return _ESCAPES.sub("", path.read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        return ""


def tail(path: Path, lines: int = 15) -> str:
    """The last lines that are not empty, indented for a message."""
    kept = [line.rstrip() for line in read(path).splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in kept[-lines:]) or "    (the console is empty)"


def fatal(path: Path) -> str:
    """Why this boot cannot succeed any more; empty when the log shows no reason."""
    return fatal_in(read(path))


def fatal_in(text: str) -> str:
    """The same for the text of a log."""
    return next((meaning for sign, meaning in _FATAL.items() if sign in text), "")


def attach(path: Path) -> None:
    """Connect this terminal to the console until Ctrl-] is typed or the machine ends.

    Raises:
        OSError: nobody listens at the socket.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(str(path))
        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)
        tty.setraw(keyboard)
        try:
            _relay(line, keyboard)
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _relay(line: socket.socket, keyboard: int) -> None:
    while True:
        ready, _, _ = select.select([line, keyboard], [], [])
        if line in ready:
            said = line.recv(4096)
            if not said:
                return
            os.write(sys.stdout.fileno(), said)
        if keyboard in ready:
            typed = os.read(keyboard, 1024)
            if not typed or LEAVE in typed:
                return
            line.sendall(typed)
