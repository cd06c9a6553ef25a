# SPDX-License-Identifier: Apache-2.0
"""The linters are tests: style, types, licences, and words that must not be in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# Which files carry no SPDX line, and why: the end of a name, or a directory on the way to it. Empty ones need none.
NO_SPDX = {
    ".json": "the format has no comments",
    ".png": "no text",
    "/golden/": "compared with what is printed, byte for byte",
    "/fixtures/": "recorded as it was found",
    "/corpus/": "input for fuzzers",
    "LICENSES/": "the licences themselves",
}
GPL_IMPORT = re.compile(r"^(from|import) ansible\.(module_utils\.(basic|common|facts|_text|urls)|plugins)", re.M)


def tracked(top: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=top, capture_output=True, check=True).stdout
    return [top / name for name in listed.decode().split("\0") if name and (top / name).is_file()]


def tool(top: Path, *argv: str) -> None:
    done = subprocess.run([sys.executable, "-m", *argv], cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_ruff_finds_nothing(top: Path) -> None:
    tool(top, "ruff", "check", ".")


def test_python_is_formatted(top: Path) -> None:
    tool(top, "ruff", "format", "--check", ".")


def test_c_is_formatted(top: Path) -> None:
    sources = [str(path) for path in tracked(top) if path.suffix in {".c", ".h"}]
    assert sources
    program = str(Path(sys.executable).parent / "clang-format")  # the version that pyproject.toml pins
    done = subprocess.run([program, "--dry-run", "--Werror", *sources], cwd=top, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]


def test_types_hold_in_strict_mode(top: Path) -> None:
    tool(top, "mypy")


@pytest.mark.timeout(300)
def test_ansible_lint_production_profile(top: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-lint"), "--offline", "-q", "roles", "playbooks"],
        cwd=top, capture_output=True, text=True, check=False,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(Path.home())},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def exemption(name: str) -> str:
    """The first entry of NO_SPDX that frees a file of its line; empty when none does."""
    return next((part for part in NO_SPDX if (part in name if part.endswith("/") else name.endswith(part))), "")


def test_no_file_is_freed_of_its_licence_line_without_need(top: Path) -> None:
    lacking = {
        exemption(str(path.relative_to(top)))
        for path in tracked(top)
        if "SPDX-License-Identifier:" not in path.read_text(errors="replace")[:600]
    }
    assert set(NO_SPDX) <= lacking, "an exemption that no file needs"


def test_every_file_says_its_licence(top: Path) -> None:
    lacking, wrong = [], []
    for path in tracked(top):
        name = str(path.relative_to(top))
        head = path.read_text(errors="replace")[:600]
        if not head or exemption(name):
            continue
        if "SPDX-License-Identifier:" not in head:
            lacking.append(name)
        elif path.suffix == ".py" and name.startswith("plugins/"):
            is_gpl = "GPL-3.0-or-later" in head
            if bool(GPL_IMPORT.search(path.read_text())) != is_gpl:
                wrong.append(name)
    assert not lacking, f"no SPDX line: {lacking}"
    assert not wrong, f"GPL-3.0-or-later belongs exactly on files that import Ansible's plugin API: {wrong}"


def test_markdown_links_lead_somewhere(top: Path) -> None:
    broken = []
    for path in tracked(top):
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(top)} → {target}")
    assert not broken, broken


def test_files_stay_short(top: Path) -> None:
    limits = {".py": 350, ".c": 450}
    long = []
    for path in tracked(top):
        limit = limits.get(path.suffix)
        if limit and path.relative_to(top).parts[0] in {"nfvcap", "plugins", "agent"}:
            count = len(path.read_text().splitlines())
            if count > limit:
                long.append(f"{path.relative_to(top)}: {count}")
    assert not long, long
