# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.lab import console

# The first lines are recorded from the lab server's serial console, the rest is hand-made.
GREETING = (
    b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting Boot0001\r\n\x1b[!p\x1b]104\x1b[?7hDebian GNU/Linux 13 host1 ttyS0\r\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "console.log"


def test_control_sequences_are_removed(log: Path) -> None:
    log.write_bytes(GREETING)
    assert "\x1b" not in console.read(log)
    assert "Debian GNU/Linux 13 host1 ttyS0" in console.read(log)


def test_a_healthy_boot_has_no_fatal_sign(log: Path) -> None:
    log.write_bytes(GREETING)
    assert console.fatal(log) == ""


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs", "panicked"),
        ("grub rescue> ", "GRUB"),
        ("(initramfs) ", "initramfs"),
        ("You are in emergency mode. After logging in, type", "systemd"),
        ("Shell> ", "firmware"),
    ],
)
def test_a_boot_that_cannot_succeed_is_recognised(log: Path, line: str, word: str) -> None:
    log.write_bytes(GREETING + line.encode())
    assert word in console.fatal(log)


def test_the_tail_skips_empty_lines(log: Path) -> None:
    log.write_text("one\n\n\ntwo\n   \nthree\n")
    assert console.tail(log, 2) == "    two\n    three"


def test_no_log_yet(log: Path) -> None:
    assert console.fatal(log) == ""
    assert "empty" in console.tail(log)
