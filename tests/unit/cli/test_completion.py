# SPDX-License-Identifier: Apache-2.0
"""What a shell is told when the tabulator key is pressed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nfvcap.cli.reference import COMPLETION

Nfvcap = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def proposals(nfvcap: Nfvcap, tmp_path: Path) -> Callable[[str], list[str]]:
    """Proposals for the last word of a line, which may be empty."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {alpha: {}, alps: {}, beta: {}}}\n")
    (tmp_path / "other.yml").write_text("all: {hosts: {alien: {}}}\n")
    (tmp_path / "broken.yml").write_text("all: [\n")

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        done = nfvcap(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _NFVCAP_COMPLETE="bash_complete")
        assert done.stderr == ""
        return [proposal.partition(",")[2] for proposal in done.stdout.splitlines() if proposal]

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nfvcap prov", ["provision"]),
        ("nfvcap provision --reb", ["--reboot"]),
        ("nfvcap provision --reboot a", ["ask", "auto"]),
        ("nfvcap plan al", ["alpha", "alps"]),
        ("nfvcap plan alpha al", ["alps"]),
        ("nfvcap doctor be", ["beta"]),
        ("nfvcap status -i other.yml al", ["alien"]),
        ("nfvcap plan -i broken.yml al", []),
        ("nfvcap plan -i none.yml al", []),
        ("nfvcap explain nfv-run-00", [f"NFV-RUN-00{number}" for number in range(1, 10)]),
    ],
)
def test_what_is_proposed(proposals: Callable[[str], list[str]], line: str, expected: list[str]) -> None:
    assert proposals(line) == expected


@pytest.mark.parametrize("shell", COMPLETION)
def test_the_documented_lines_give_the_shell_something(nfvcap: Nfvcap, shell: str) -> None:
    assert f"_NFVCAP_COMPLETE={shell}_source nfvcap" in COMPLETION[shell]
    done = nfvcap(_NFVCAP_COMPLETE=f"{shell}_source")
    assert "nfvcap" in done.stdout and f"{shell}_complete" in done.stdout
