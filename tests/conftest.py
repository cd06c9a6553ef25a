# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


def pytest_configure() -> None:
    """Temporary files on a disk: Debian 13 has /tmp in memory, where direct I/O and much else is not what it tests."""
    in_memory = any(line.split()[1:3] == ["/tmp", "tmpfs"] for line in Path("/proc/mounts").read_text().splitlines())
    if in_memory and "TMPDIR" not in os.environ:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", "/var/tmp")


@pytest.hookimpl(tryfirst=True)  # before xdist, which puts the group into the name of a test
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs side by side (``-n 2 --dist loadgroup``): files, as their fixtures are dear, but one capture agent."""
    for item in items:
        where = item.path.relative_to(TESTS)
        item.add_marker(pytest.mark.xdist_group("agent" if where.parts[0] == "agent" else str(where)))


@pytest.fixture(scope="session")
def top() -> Path:
    """The top of the checkout."""
    return Path(__file__).resolve().parent.parent
