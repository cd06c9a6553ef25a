# SPDX-License-Identifier: Apache-2.0
"""How words leave the program: data on standard output, everything else on standard error, colour only for eyes."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, Any

import click

_STYLES: dict[str, dict[str, Any]] = {
    "PASS": {"fg": "green"},
    "WARN": {"fg": "yellow"},
    "FAIL": {"fg": "red", "bold": True},
    "ERROR": {"fg": "red", "bold": True},
    "SKIP": {"dim": True},
    "none": {},
    "link-flap": {"fg": "yellow"},
    "reboot": {"fg": "red", "bold": True},
    "head": {"bold": True},
    "dim": {"dim": True},
    "drift": {"fg": "red"},
}


def colourful(stream: IO[str]) -> bool:
    """Colour goes to terminals only, and never where NO_COLOR or TERM=dumb asks for none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def say(text: str = "") -> None:
    """Chatter: progress, questions, hints (standard error)."""
    # Nobody listens any more, as when a terminal was closed: what goes on is more important.
    with contextlib.suppress(OSError):
        click.echo(text, err=True, color=colourful(sys.stderr))


def emit(text: str = "") -> None:
    """Data that was asked for (standard output)."""
    click.echo(text, color=colourful(sys.stdout))


def paint(text: str, style: str) -> str:
    """Text in the style of a verdict or a disruption; codes are stripped where no colour is wanted."""
    return click.style(text, **_STYLES.get(style, {})) if _STYLES.get(style) else text


def plural(count: int, noun: str) -> str:
    """``1 change``, ``2 changes``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def interactive() -> bool:
    """Can a question be asked and answered?"""
    return sys.stdin.isatty() and sys.stderr.isatty()
