# SPDX-License-Identifier: Apache-2.0
"""The wheel carries everything and works far from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nfvcap.lab.image import recipe_id
from tests import checkout

# As hatch_build.py has it; named here as well, so that one that is lost there is missed.
SHIPPED = ("plugins", "roles", "playbooks", "templates", "inventory", "agent", "ansible.cfg")


@pytest.fixture(scope="module")
def wheel(top: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"
    checkout.copy(top, source)
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


def test_the_wheel_carries_every_file_of_package_roles_plugins_playbooks_and_agent(wheel: Path, top: Path) -> None:
    """Among them the recipe of the lab's image; what is only for tests of the agent comes along with its sources."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "nfvcap", *SHIPPED], cwd=top, capture_output=True, check=True
    ).stdout
    names = [os.fsdecode(name) for name in filter(None, listed.split(b"\0"))]
    assert any(name.startswith("nfvcap/lab/recipe/rootfs/") for name in names)
    wanted = {name if name.startswith("nfvcap/") else f"nfvcap/data/{name}" for name in names if (top / name).exists()}
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, far from the checkout."""
    site = tmp_path_factory.mktemp("installed") / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    return site


def installed(site: Path, statement: str, *words: str) -> str:
    """What a statement prints in a program that finds the wheel's nfvcap, in an empty home and cache."""
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        f"import nfvcap; assert nfvcap.__file__.startswith(sys.path[0]); {statement}"
    )
    home = site.parent
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), *words], cwd=home, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "c"), "XDG_STATE_HOME": str(home / "s")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nfvcap(site: Path, *words: str) -> str:
    return installed(site, "from nfvcap.cli.main import main; main(sys.argv[1:])", *words)


def test_the_installed_wheel_works_outside_the_checkout(site: Path) -> None:
    assert "provision" in nfvcap(site, "--help")
    nfvcap(site, "check-config", "-i", str(site / "nfvcap" / "data" / "inventory" / "example.yml"))
    nfvcap(site, "explain", "NFV-RUN-001")
    (controller,) = json.loads(nfvcap(site, "doctor", "--format", "json"))["hosts"]
    shipped = next(check for check in controller["checks"] if check["id"] == "NFV-DOC-004")
    assert (shipped["verdict"], shipped["found"]) == ("PASS", str(site / "nfvcap" / "data"))


def test_the_lab_of_the_installed_wheel_is_the_same(site: Path, top: Path) -> None:
    """All but the boot: what it would build, from which files, and that there is none yet."""
    status = json.loads(nfvcap(site, "lab", "status", "--format", "json"))
    assert (status["name"], status["state"]) == ("lab", "down")
    assert installed(site, "from nfvcap.lab.image import recipe_id; print(recipe_id())").strip() == recipe_id()
    build = installed(
        site,
        "from pathlib import Path; from nfvcap.lab.tree import command; "
        "print(*command(Path('tree'), Path('key.pub'), Path('archives')), sep='\\n')",
    )
    recipe = site / "nfvcap" / "lab" / "recipe"
    assert f'sh "{recipe}/customize.sh" "$1" "{recipe}"' in build
    assert str(top) not in build
    mine = top / "nfvcap" / "lab" / "recipe"
    for path in (path for path in mine.rglob("*") if path.is_file()):
        copy = recipe / path.relative_to(mine)
        assert os.access(copy, os.X_OK) == os.access(path, os.X_OK), copy
