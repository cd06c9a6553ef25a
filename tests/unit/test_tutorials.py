# SPDX-License-Identifier: Apache-2.0
"""Each command of the tutorials is a real one, with options that it has; tests/lab/test_80_tutorial.py runs them."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from nfvcap.cli.main import cli
from tests.tutorials import PAGES, pattern, steps


def parse(words: list[str]) -> None:
    """As the command line does it, without running anything. Raises click.UsageError."""
    command: click.Command = cli
    context = click.Context(cli, info_name="nfvcap")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.make_context(context.info_name, list(words), parent=context.parent)
    if "--while" in words:
        for inner in words[words.index("--while") + 1].split("&&"):
            parse(shlex.split(inner)[1:])


@pytest.mark.parametrize("page", PAGES)
def test_each_command_is_a_real_one(top: Path, page: str) -> None:
    typed = [shlex.split(step.line, comments=True) for step in steps(top, page)]
    commands = [words[1:] for words in typed if words[0] == "nfvcap"]
    assert len(commands) > 5
    for words in commands:
        parse(words)


@pytest.mark.parametrize(
    "line",
    [
        "provision host1 --maybe",
        "guest creat vm1",
        "mirror isolation vm1 --while 'nfvcap attach-vm vm1'",
        "mirror isolation vm1 --while 'nfvcap attach-vf vm1 && nfvcap guest destoy vm1'",
    ],
)
def test_what_is_none_is_found_out(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(shlex.split(line))


def test_what_is_shown_belongs_to_the_command_before(top: Path) -> None:
    shown = {step.line.split()[2]: step.shown for step in steps(top, "watch-a-guest") if step.shown}
    assert shown["isolation"][-1].startswith("isolation: lost 0") and shown["test"][-1] == "  the copy is complete"


def test_a_promise_is_words_and_zeros() -> None:
    line = pattern("isolation: lost 0, duplicated 0 of 5817 frames in 58 s")
    assert line.fullmatch("isolation: lost 0, duplicated 0 of 61 frames in 3 s")
    assert not line.fullmatch("isolation: lost 2, duplicated 0 of 61 frames in 3 s")
    assert pattern("  vm1    5817  5817      0     0           none").fullmatch("vm1 2 2 0 0 none")
    assert not pattern("in of vm1 (vf0) → vm3 (vf2)").fullmatch("in of vm1 (vf0) → vm3 (vf1)")
