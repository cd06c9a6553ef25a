# SPDX-License-Identifier: Apache-2.0
"""Builds the capture agent for the tests, outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD_TIMEOUT_S = 1500


def build_dir(agent_source: Path, variant: str = "") -> Path:
    """Where the build of this checkout lives: in the user's cache, one directory per checkout and variant."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(str(agent_source).encode()).hexdigest()[:8]
    return cache / "nfvcap" / f"agent-build-{key}{variant}"


def build_agent(agent_source: Path, copy_to: Path, variant: str = "", options: tuple[str, ...] = ()) -> Path:
    """Configure (once) and build; returns a copy of the program. Skips where the tools are missing.

    NFVCAP_TEST_AGENT names a program that is to be tested instead, for instance one built with a sanitizer.
    """
    if "NFVCAP_TEST_AGENT" in os.environ:
        return Path(os.environ["NFVCAP_TEST_AGENT"])
    for tool in ("meson", "ninja", "cc", "pkg-config"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, the capture agent cannot be built")
    if subprocess.run(["pkg-config", "--exists", "libdpdk"]).returncode != 0:
        pytest.skip("libdpdk-dev is not installed, the capture agent cannot be built")
    build = build_dir(agent_source, variant)
    build.parent.mkdir(parents=True, exist_ok=True)
    with (build.parent / f"{build.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once: the second one waits
        if not (build / "build.ninja").exists():
            shutil.rmtree(build, ignore_errors=True)
            run(["meson", "setup", *options, str(build), str(agent_source)])
        run(["ninja", "-C", str(build)])
        return Path(shutil.copy2(build / "src" / "nfvcap-agent", copy_to))


def run(command: list[str]) -> None:
    """Run a build step; the whole output is the message when it fails."""
    nice = ["nice", "-n", "5"] if shutil.which("nice") else []
    done = subprocess.run([*nice, *command], capture_output=True, text=True, timeout=BUILD_TIMEOUT_S)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
