# SPDX-License-Identifier: Apache-2.0
"""The man pages of check, merge and generate name every option that --help names, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.agent.support import Agent


@pytest.mark.parametrize("command", ["check", "merge", "generate"])
def test_manual_and_help_agree(agent: Agent, agent_source: Path, command: str) -> None:
    said = agent.run(command, "--help")
    assert said.returncode == 0 and said.stderr == ""
    page = (agent_source / "man" / f"nfvcap-agent-{command}.1").read_text().replace("\\-", "-")
    options = page.split(".SH OPTIONS")[1].split("\n.SH ")[0]
    in_help = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said.stdout))
    in_page = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", options))
    assert in_page == in_help
