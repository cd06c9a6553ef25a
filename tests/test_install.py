# SPDX-License-Identifier: Apache-2.0
"""The README's way of installing nfvcap, typed as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nfvcap import __version__
from tests import checkout

_BARE_PIP = re.compile(r"(?<![\w/])pip3? install")


def typed(top: Path, until: str) -> list[str]:
    """The commands of "On your own server" up to the first one that begins with ``until``, without their comments."""
    section = (top / "README.md").read_text().split("\n## On your own server\n")[1].split("\n## ")[0]
    lines = [line.strip().partition("  ")[0] for line in section.splitlines() if line.startswith("    ")]
    at = next(number for number, line in enumerate(lines) if line.startswith(until))
    return lines[: at + 1]


def test_no_document_installs_into_the_python_of_the_system(top: Path) -> None:
    """Debian since 12 and Ubuntu since 23.04 refuse that (PEP 668)."""
    documents = [top / "README.md", top / "agent" / "README.md", *(top / "docs").rglob("*.md")]
    bare = [path.name for path in documents if _BARE_PIP.search(path.read_text())]
    assert not bare


@pytest.mark.soak  # takes a minute, and packages from the package index
@pytest.mark.timeout(1200)
def test_the_lines_of_the_readme_install_a_program_that_works_anywhere(top: Path, tmp_path: Path) -> None:
    source, home, empty = tmp_path / "source", tmp_path / "home", tmp_path / "empty"
    checkout.copy(top, source)
    home.mkdir()
    empty.mkdir()
    # Neither the tests' own Python nor their settings: a newcomer has the system's.
    path = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith(("NFVCAP_", "XDG_", "PYTHON"))}
    env |= {"HOME": str(home), "PATH": path}
    env.pop("VIRTUAL_ENV", None)
    script = [
        "set -e", f"cd '{source}'", *typed(top, "cp "),
        # What is installed may not lean on where it came from.
        f"mv my.yml '{empty}'", f"rm -r '{source}'", f"cd '{empty}'",
        "command -v nfvcap", "nfvcap --version", typed(top, "nfvcap check-config")[-1], "nfvcap explain NFV-RUN-001",
        # A playbook, a role's module and the planner, all out of the package, on this machine, which has no PF to plan.
        "printf 'all: {hosts: {here: {ansible_connection: local, nfvcap: {pfs: []}}}}' >here.yml",
        "nfvcap plan here -i here.yml",
    ]  # fmt: skip
    done = subprocess.run(["bash", "-c", "\n".join(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout.splitlines()
    assert str(home / "nfvcap" / "bin" / "nfvcap") in said
    assert f"nfvcap, version {__version__}" in said
    assert "NFV-RUN-001" in done.stdout
    assert "here: nothing to change" in done.stdout
