# SPDX-License-Identifier: Apache-2.0
"""The judge shares no code with what applies plans, so that a bug cannot hide itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

# Documents and words may be shared, code that decides or acts may not.
ALLOWED = (
    "nfvcap.model",
    "nfvcap.errors",
    "nfvcap.catalogue",
    "nfvcap.paths",
    "nfvcap.run",
    "nfvcap.scratch",
    "nfvcap.verify",
    "nfvcap.report",
)
# How to reach a host is read from the inventory, and the page of checks is made with the report's words.
EXCEPTIONS = {("state.py", "nfvcap.inventory"), ("origin.py", "nfvcap.inventory")}
# Sources and capture points drive the capture agent, the wire and the ways into guests; accounting and verdicts know
# only what they are given.
ADAPTERS = ("sources", "points", "engines")
ADAPTED = ("nfvcap.agent", "nfvcap.door", "nfvcap.lab")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "nfvcap" else {node.module}
            )
    return names


def test_no_import_crosses_to_the_code_that_applies(top: Path) -> None:
    crossing = []
    for path in sorted((top / "nfvcap" / "verify").rglob("*.py")):
        for name in imported(path):
            ours = name.split(".")[0] in {"nfvcap", "plugins", "module_utils", "ansible"}
            allowed = name == "nfvcap.__version__" or name.startswith(ALLOWED) or (path.name, name) in EXCEPTIONS
            allowed = allowed or (path.parent.name in ADAPTERS and name.startswith(ADAPTED))
            if ours and not allowed:
                crossing.append(f"{path.name} imports {name}")
    assert not crossing


def test_the_checks_see_the_host_only_through_the_snapshot(top: Path) -> None:
    """No check opens a file or starts a program of the controller."""
    banned = {"os", "subprocess", "pathlib", "socket", "testinfra"}
    for path in sorted((top / "nfvcap" / "verify" / "checks").glob("*.py")):
        assert not {name.split(".")[0] for name in imported(path)} & banned, path


def test_loading_the_judge_loads_nothing_of_plugins_or_planner() -> None:
    program = (
        "import sys, nfvcap.verify.state, nfvcap.verify.session\n"
        "ours = ('module_utils', 'ansible.', 'nfvcap.planner', 'nfvcap.apply')\n"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_reader_needs_only_the_standard_library_and_old_syntax(top: Path) -> None:
    path = top / "nfvcap" / "verify" / "reader.py"
    ast.parse(path.read_text(), feature_version=(3, 9))
    assert all(name.split(".")[0] in sys.stdlib_module_names for name in imported(path))
