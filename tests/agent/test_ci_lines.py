# SPDX-License-Identifier: Apache-2.0
"""The snippets of docs/how-to/ci.md: well-formed, all with one and the same line, and that line does what they need."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from nfvcap.cli.verify import verify
from tests.agent.support import Agent

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^ *(nfvcap .*?)(?:  +#.*)?$", re.MULTILINE)


def blocks(top: Path, kind: str) -> list[str]:
    text = (top / "docs" / "how-to" / "ci.md").read_text()
    return [body for word, body in _BLOCK.findall(text) if word == kind]


@pytest.fixture
def line(top: Path) -> str:
    """The line that a pipeline needs: the first one of the page."""
    return blocks(top, "")[0].strip()


def test_the_github_workflow_has_what_github_needs(top: Path, line: str) -> None:
    job = yaml.safe_load(blocks(top, "yaml")[0])["jobs"]["capture"]
    assert job["runs-on"] and all(("uses" in step) != ("run" in step) for step in job["steps"])
    assert line in [step.get("run") for step in job["steps"]]
    upload = job["steps"][-1]
    assert upload["if"] == "always()" and upload["uses"].startswith("actions/upload-artifact@")
    assert {"verify.xml", "verify.html"} <= set(shlex.split(line)) and upload["with"]["path"] == "verify.*"


def test_the_gitlab_job_has_what_gitlab_needs(top: Path, line: str) -> None:
    job = yaml.safe_load(blocks(top, "yaml")[1])["capture"]
    assert job["script"] == [line] and job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "verify.xml"} and job["artifacts"]["paths"] == ["verify.html"]
    assert job["retry"] == {"max": 1, "exit_codes": 5}, "only what nobody knows is tried again"


def test_the_jenkins_pipeline_is_nested_as_jenkins_needs_it(top: Path, line: str) -> None:
    (groovy,) = blocks(top, "groovy")
    assert f"sh '{line}'" in groovy and "'" not in line
    bare = re.sub(r"'[^']*'", "''", groovy)
    assert bare.count("'") % 2 == 0
    path: list[str] = []
    seen = set()
    for word, brace in re.findall(r"(\w*)(?:\([^)]*\))?\s*([{}])", bare):
        if brace == "{":
            path.append(word)
            seen.add("/".join(path))
        else:
            path.pop()
    assert path == []
    assert {"pipeline/agent", "pipeline/stages/stage/steps", "pipeline/post/always"} <= seen


def test_every_line_of_the_page_is_understood(top: Path) -> None:
    """Options that do not exist, or values that they refuse, end here; nothing is run."""
    text = (top / "docs" / "how-to" / "ci.md").read_text()
    lines = [found for kind in ("", "yaml") for body in blocks(top, kind) for found in _SHELL.findall(body)]
    lines += re.findall(r"`(nfvcap verify [^`]*)`", text)
    assert len(lines) >= 3
    for found in lines:
        words = shlex.split(found)
        assert words[:2] == ["nfvcap", "verify"], found
        verify.make_context("verify", words[2:])


def test_the_line_runs_and_its_colour_is_that_of_the_report(agent: Agent, line: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-e", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "NFVCAP_AGENT": str(agent.binary), "XDG_STATE_HOME": str(tmp_path / "state"),
             "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode in {0, 4, 5}, done.stderr
    suites = ElementTree.parse(tmp_path / "verify.xml").getroot()
    failures = {case.get("name", "").split()[0] for case in suites.iter("testcase") if case.find("failure") is not None}
    unknown = {case.get("name", "").split()[0] for case in suites.iter("testcase") if case.find("error") is not None}
    assert "NFV-PKT-010" in {case.get("name", "").split()[0] for case in suites.iter("testcase")}
    assert bool(failures or unknown) == (done.returncode != 0), (done.returncode, failures, unknown)
    assert "<html" in (tmp_path / "verify.html").read_text()
