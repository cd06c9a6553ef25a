# SPDX-License-Identifier: Apache-2.0
"""What the tutorials tell their readers to type, typed: as it is written, in a shell, and compared with the promises.

Takes over: provisioned, without guests. Leaves: the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import HOST, LAB_NAME, Controller, ProvisionedLab
from tests.lab.host import Host
from tests.tutorials import Step, pattern, steps

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]

GUESTS = ("vm1", "vm2", "vm3")
# Of the first page: what neither boots nor changes the lab, which files of this folder do.
_LOOKS = re.compile(r"nfvcap (plan|verify|status) ")
# On a provisioned lab nothing is pending. A busy machine lets a source be late (5), which the report then says.
_CODES = {"verify host1 --guest": (0, 5)}


class Reader:
    """Types lines in a folder that looks like a checkout, whose inventory and lab are those of the tests."""

    def __init__(self, folder: Path, inventory: Path) -> None:
        self.folder = folder
        (folder / "inventory").mkdir()
        (folder / "inventory" / "lab.yml").write_bytes(inventory.read_bytes())
        (folder / "tools").mkdir()
        install = folder / "tools" / "install"
        install.write_text(f"#!/bin/sh\necho {Path(sys.executable).parent}\n")
        install.chmod(0o755)
        self._exports: list[str] = []
        self._env = {key: value for key, value in os.environ.items() if key != "NFVCAP_INVENTORY"}
        self._env |= {"NFVCAP_LAB": LAB_NAME, "NO_COLOR": "1"}

    def type(self, step: Step) -> str:
        """Type a line and compare; returns what it printed."""
        if step.line.startswith("export "):
            self._exports.append(step.line)
            return ""
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", "\n".join([*self._exports, step.line])], cwd=self.folder, env=self._env, text=True,
            capture_output=True, timeout=900, check=False,
        )  # fmt: skip
        print(f"\n{time.monotonic() - began:6.1f} s  {step.line}")
        codes = next((codes for words, codes in _CODES.items() if words in step.line), (0,))
        assert done.returncode in codes, f"{step.line} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        printed = done.stdout.splitlines()
        for promised in step.shown:
            assert any(map(pattern(promised).fullmatch, printed)), f"{promised!r} is not in:\n{done.stdout}"
        return done.stdout


@pytest.fixture
def reader(provisioned_lab: ProvisionedLab, tmp_path: Path) -> Reader:
    return Reader(tmp_path, provisioned_lab.inventory)


@pytest.fixture
def cleared(nfvcap: Controller, host: Host) -> Iterator[None]:
    """Without guests, whatever became of the test."""
    yield
    for guest in nfvcap.json("guest", "list", HOST)["hosts"][HOST]:
        host.run(f"virsh -q destroy {guest['name']} || true", timeout_s=240)
        nfvcap("detach-vf", guest["name"], expect=(0, 2, 4), timeout_s=900)
        nfvcap("guest", "destroy", guest["name"], "--yes", expect=(0, 2), timeout_s=900)


def test_a_look_at_the_provisioned_lab(top: Path, reader: Reader) -> None:
    typed = [step for step in steps(top, "provision-the-lab") if step.line.startswith("export ")]
    typed += dict.fromkeys(step for step in steps(top, "provision-the-lab") if _LOOKS.match(step.line))
    said = {step.line.split()[1]: reader.type(step) for step in typed}
    assert {"plan", "verify", "status"} <= said.keys()


@pytest.mark.soak  # five minutes of guests
def test_a_guest_is_watched(top: Path, reader: Reader, cleared: None, nfvcap: Controller) -> None:
    for step in steps(top, "watch-a-guest"):
        said = reader.type(step)
        if "mirror test" in step.line:  # it ends only when the rule stands
            nfvcap("mirror", "list", HOST)
            nfvcap("verify", HOST, "--state-only")
        if "nfvcap status" in step.line:
            assert all(re.search(rf"\b{guest}\b", said) for guest in GUESTS)
    assert (reader.folder / "report.html").stat().st_size > 10_000
    assert nfvcap.json("guest", "list", HOST)["hosts"][HOST] == []
    nfvcap("verify", HOST, "--state-only")
