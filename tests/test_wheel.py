# SPDX-License-Identifier: Apache-2.0
"""The wheel carries everything and works far from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(top: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    # From a copy of what git tracks: a build must not depend on, or carry, what merely lies around.
    source = out / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=top, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, files):
        origin = top / os.fsdecode(name)
        if origin.is_file():
            target = source / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(origin.read_bytes())
            target.chmod(origin.stat().st_mode)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(out), str(source)], check=True
    )
    return next(out.glob("nfvcap-*.whl"))


@pytest.mark.parametrize(
    "needed",
    [
        "nfvcap/data/ansible.cfg",
        "nfvcap/data/plugins/modules/nfvcap_facts.py",
        "nfvcap/data/plugins/callback/nfvcap_events.py",
        "nfvcap/data/roles/sriov/tasks/main.yml",
        "nfvcap/data/playbooks/provision.yml",
        "nfvcap/data/inventory/lab.yml",
        "nfvcap/data/templates/guest/domain.xml.j2",
        "nfvcap/data/agent/meson.build",
        "nfvcap/data/agent/src/main.c",
        "nfvcap/data/templates/units/nfvcap-sriov.service",
        "nfvcap/schema/intent.schema.json",
        "nfvcap-0.1.0.data/data/share/man/man1/nfvcap.1",
    ],
)
def test_the_wheel_carries_what_hosts_need(wheel: Path, needed: str) -> None:
    assert needed in zipfile.ZipFile(wheel).namelist()


def test_the_installed_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "import nfvcap; assert nfvcap.__file__.startswith(sys.path[0]); "
        "from nfvcap.cli.main import main; main(sys.argv[1:])"
    )

    def nfvcap(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, str(site), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "provision" in nfvcap("--help").stdout
    shipped = site / "nfvcap" / "data" / "inventory" / "example.yml"
    checked = nfvcap("check-config", "-i", str(shipped))
    assert checked.returncode == 0, checked.stderr
    explained = nfvcap("explain", "NFV-RUN-001")
    assert explained.returncode == 0, explained.stderr
