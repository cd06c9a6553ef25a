# SPDX-License-Identifier: Apache-2.0
"""What the tests of the capture agent share: the built program and huge pages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcap.agent.build import locate
from tests.agent.build import skipping
from tests.agent.crossed import Crossed, cross
from tests.agent.room import Room, room
from tests.agent.support import Agent

HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")


@pytest.fixture(scope="session")
def agent_source(top: Path) -> Path:
    """The C tree."""
    return top / "agent"


@pytest.fixture(scope="session")
def agent_binary() -> Path:
    """The program of this checkout, built where the cache has none; NFVCAP_AGENT names another one to be tested."""
    with skipping():
        return locate()


@pytest.fixture(scope="session")
def agent(agent_binary: Path) -> Agent:
    """The program, ready to be called."""
    return Agent(agent_binary)


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Room]:
    """A network namespace that stands in for a guest with a VF."""
    with room(tmp_path) as made:
        yield made


@pytest.fixture
def crossed(monkeypatch: pytest.MonkeyPatch) -> Crossed:
    """The closed file of every trial of this test is counted by capinfos as well."""
    return cross(monkeypatch.setattr)


@pytest.fixture(scope="session")
def huge_pages() -> Iterator[int]:
    """At least 128 MiB of huge pages while the tests run, given back afterwards; skips where that cannot be."""
    before = int(HUGE_PAGES.read_text())
    if before < 64:
        if os.geteuid() != 0:
            pytest.skip("huge pages can only be reserved by root")
        HUGE_PAGES.write_text("64\n")
        if int(HUGE_PAGES.read_text()) < 64:
            HUGE_PAGES.write_text(f"{before}\n")
            pytest.skip("there is no room for huge pages")
    yield max(before, 64)
    if before < 64:
        HUGE_PAGES.write_text(f"{before}\n")


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 MiB; skips where nothing may be mounted."""
    where = tmp_path / "tmpfs"
    where.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(where)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("a tmpfs can only be mounted by root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.fixture
def memory_dir() -> Iterator[Path]:
    """A directory of its own on a file system in memory."""
    import shutil
    import tempfile

    where = Path(tempfile.mkdtemp(prefix="nfvcap-test-", dir="/dev/shm"))
    yield where
    shutil.rmtree(where, ignore_errors=True)


@pytest.fixture(params=["mmap", "direct", "write"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each of the engines that store."""
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, memory_dir: Path, tmp_path: Path) -> Iterator[Path]:
    """Where the engine of the test likes to write (without one: mmap); emptied at once, captures can be long."""
    import shutil

    engine = request.getfixturevalue("engine") if "engine" in request.fixturenames else "mmap"
    where = (memory_dir if engine == "mmap" else tmp_path) / "out"
    where.mkdir()
    yield where
    shutil.rmtree(where)
