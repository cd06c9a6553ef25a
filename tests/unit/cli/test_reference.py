# SPDX-License-Identifier: Apache-2.0
"""The pages about the command line say what the command line is."""

from __future__ import annotations

from pathlib import Path

import click

from nfvcap.cli import reference
from nfvcap.cli.main import VERBS
from nfvcap.errors import ExitCode

AGAIN = "stale: run python -m nfvcap.cli.reference docs/reference"


def test_the_reference_page_is_up_to_date(top: Path) -> None:
    assert (top / "docs/reference/cli.md").read_text() == reference.markdown(), AGAIN


def test_the_manual_page_is_up_to_date(top: Path) -> None:
    assert (top / "docs/reference/nfvcap.1").read_text() == reference.man(), AGAIN


def test_every_verb_and_every_exit_code_is_described() -> None:
    page = reference.markdown()
    for verb in VERBS:
        assert f"## nfvcap {verb}\n" in page
    assert set(reference.EXIT_CODES) == set(ExitCode)


def test_every_command_and_option_has_help_and_the_same_flag_means_the_same() -> None:
    meaning: dict[str, tuple[str, str]] = {}
    for context, command in reference.commands():
        assert command.help, context.command_path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{context.command_path} {parameter.opts}"
            for flag in ("--inventory", "--limit", "--forks", "--yes", "--reboot"):
                if flag in parameter.opts and isinstance(parameter, click.Option):
                    seen = meaning.setdefault(flag, (parameter.help or "", context.command_path))
                    assert seen[0] == parameter.help, f"{flag}: {seen[1]} and {context.command_path} differ"
