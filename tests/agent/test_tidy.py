# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over the agent: what reads what others wrote in every run, all of it with the long ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from nfvcap.agent.build import Variant
from tests.agent.build import built

VERSION = 14  # Debian 12's: another one has other checks
READERS = ("offline/source.c", "offline/reader.c", "offline/pcapfile.c", "offline/pcapngfile.c", "offline/flow.c",
           "frame.c", "units.c", "port_spec.c", "packet_ring.c")  # fmt: skip


@pytest.fixture(scope="module")
def commands(agent_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one command for each source; what is compiled several times is looked at once."""
    if shutil.which("clang-tidy") is None:
        pytest.skip("clang-tidy is not installed")
    said = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+)", said)
    if found is None or int(found[1]) != VERSION:
        pytest.skip(f"clang-tidy is not version {VERSION}: {said.strip()}")
    once: dict[Path, dict[str, str]] = {}
    with built(agent_source, Variant("tidy", compiler="clang"), ("build.ninja",)) as work:  # configured, not compiled
        for command in json.loads((work / "compile_commands.json").read_text()):
            once.setdefault((work / command["file"]).resolve(), command)
    where = tmp_path_factory.mktemp("tidy")
    (where / "compile_commands.json").write_text(json.dumps(list(once.values())))
    return where


def tidy(commands: Path, sources: Sequence[Path]) -> str:
    done = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(commands), *map(str, sources)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout[-6000:] + done.stderr[-2000:]


def test_readers_are_tidy(commands: Path, agent_source: Path) -> None:
    assert tidy(commands, [agent_source / "src" / name for name in READERS]) == ""


def test_tidy_finds_something(commands: Path, agent_source: Path, tmp_path: Path) -> None:
    """A division by zero and a leak, in a file of the same tree as far as clang-tidy knows."""
    bad = tmp_path / "bad.c"
    bad.write_text(
        "#include <stdlib.h>\nint f(int n);\n"
        "int f(int n) { int *p = malloc(4); if (n == 0) return 1 / n; return !p; }\n"
    )
    shutil.copy(agent_source / ".clang-tidy", tmp_path)
    found = tidy(commands, [bad])
    assert "core.DivideZero" in found and "unix.Malloc" in found


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_of_it_is_tidy(commands: Path, agent_source: Path) -> None:
    sources = sorted((agent_source / "src").rglob("*.c"))
    assert len(sources) > 60
    assert tidy(commands, sources) == ""
