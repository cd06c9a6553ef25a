# SPDX-License-Identifier: Apache-2.0
"""The lab server keeps compiled code of what Python imports out of archives: the same code, under the right names."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_HOOK = "nfvcap/lab/recipe/rootfs/usr/local/lib/python3.13/dist-packages/lab_compiled.py"
_SAY = "import lab_compiled, told; print(told.tell(), told.tell.__code__.co_filename)"


@pytest.fixture
def hook(top: Path, tmp_path: Path) -> Path:
    """The module, keeping what it compiles in a folder of the test."""
    text = (top / _HOOK).read_text().replace("/var/cache/lab-python", str(tmp_path / "kept"))
    (tmp_path / "lab_compiled.py").write_text(text)
    return tmp_path


def says(hook: Path, archive: str, answer: int) -> list[str]:
    """Import a module out of an archive; returns what it answers and where it says that it came from."""
    with zipfile.ZipFile(hook / archive, "w") as made:
        made.writestr("told.py", f"def tell():\n    return {answer}\n")
    path = f"{hook}:{hook / archive}"
    done = subprocess.run(
        [sys.executable, "-c", _SAY], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_kept_code_is_that_of_the_source_wherever_it_came_from(hook: Path) -> None:
    for archive, answer in (("a.zip", 7), ("b.zip", 7), ("b.zip", 8)):
        assert says(hook, archive, answer) == [str(answer), str(hook / archive / "told.py")]
    assert len(list((hook / "kept").iterdir())) == 2


def test_what_is_kept_is_used_and_what_is_cut_is_made_again(hook: Path) -> None:
    says(hook, "a.zip", 7)
    (seven,) = (hook / "kept").iterdir()
    says(hook, "b.zip", 8)
    (eight,) = set((hook / "kept").iterdir()) - {seven}
    whole = seven.read_bytes()
    seven.write_bytes(eight.read_bytes())
    assert says(hook, "a.zip", 7)[0] == "8"  # not compiled again
    seven.write_bytes(whole[: len(whole) // 2])
    assert says(hook, "a.zip", 7)[0] == "7"
    assert len(seven.read_bytes()) > len(whole) // 2
