# SPDX-License-Identifier: Apache-2.0
"""How many hosts are worked on at a time: said on the command line, told to Ansible, by every verb that takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nfvcap.apply import ansible
from nfvcap.cli.main import cli
from nfvcap.errors import ExitCode, NfvcapError

INVENTORY = "all: {hosts: {host1: {nfvcap: {}}, host2: {nfvcap: {}}}}\n"
VERBS = (["plan"], ["provision"], ["deprovision"], ["status"], ["doctor"], ["mirror", "list"], ["guest", "list"])


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of Ansible; none is run."""
    seen: list[list[str]] = []

    def follow(argv: list[Any], **_options: Any) -> int:
        seen.append([str(word) for word in argv])
        raise NfvcapError("NFV-RUN-007", "as far as this test goes")

    (tmp_path / "hosts.yml").write_text(INVENTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NFVCAP_INVENTORY", str(tmp_path / "hosts.yml"))
    monkeypatch.setattr(ansible, "follow", follow)
    return seen


def forks(line: list[str]) -> str:
    return line[line.index("-f") + 1]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_forks_reach_the_command_line_of_ansible(verb: list[str], lines: list[list[str]]) -> None:
    CliRunner().invoke(cli, [*verb, "host1", "host2", "--forks", "3"], standalone_mode=False)
    assert [forks(line) for line in lines] == ["3"]
    assert lines[0][lines[0].index("--limit") + 1] == "host1,host2"


def test_without_a_word_there_are_ten(lines: list[list[str]]) -> None:
    CliRunner().invoke(cli, ["plan", "host1"], standalone_mode=False)
    assert [forks(line) for line in lines] == ["10"]


@pytest.mark.parametrize("wrong", ["0", "501", "many"])
def test_a_number_that_makes_no_sense_is_refused(wrong: str, lines: list[list[str]]) -> None:
    result = CliRunner().invoke(cli, ["plan", "host1", "--forks", wrong])
    assert result.exit_code == ExitCode.USAGE and not lines
