# SPDX-License-Identifier: Apache-2.0
"""The man pages of the commands name every option that --help names, and no other; the main page every command."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agent.support import Agent


@pytest.mark.parametrize("command", ["check", "merge", "generate", "bench"])
def test_manual_and_help_agree(agent: Agent, agent_source: Path, command: str) -> None:
    said = agent.run(command, "--help")
    assert said.returncode == 0 and said.stderr == ""
    page = (agent_source / "man" / f"nfvcap-agent-{command}.1").read_text().replace("\\-", "-")
    options = page.split(".SH OPTIONS")[1].split("\n.SH ")[0]
    in_help = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said.stdout))
    in_page = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", options))
    assert in_page == in_help


def test_the_main_page_names_the_commands(agent: Agent, agent_source: Path) -> None:
    commands = re.findall(r"^  ([a-z]+) ", agent.run("--help").stdout, re.M)
    page = (agent_source / "man" / "nfvcap-agent.1").read_text()
    assert len(commands) == 5
    assert re.findall(r"^\.TP\n\.B ([a-z]+)$", page, re.M) == commands
    for command in commands:
        assert f".BR nfvcap-agent-{command} (1)" in page
        assert (agent_source / "man" / f"nfvcap-agent-{command}.1").is_file()


def test_manuals_are_formatted_without_complaint(agent_source: Path) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    for page in sorted((agent_source / "man").iterdir()):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and done.stderr == "", (page, done.stderr)
