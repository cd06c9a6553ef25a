# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcap.lab import process
from nfvcap.lab.topology import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def machine(paths: Paths) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the command line of lab x, and its pid file."""
    program = "import time; print(flush=True); time.sleep(60)"
    words = [sys.executable, "-c", program, "-name", "nfvcap-lab-x", "-pidfile", str(paths.pid)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # its command line is in place only once it runs
    paths.pid.write_text(f"{child.pid}\n")
    yield child
    child.kill()
    child.wait()


def test_the_labs_own_process_is_found(machine: subprocess.Popen[bytes], paths: Paths) -> None:
    assert process.find("x", paths) == machine.pid
    assert 0 <= process.age_s(machine.pid) < 60


def test_another_labs_process_is_not_mistaken_for_it(machine: subprocess.Popen[bytes], paths: Paths) -> None:
    assert process.find("y", paths) is None


def test_a_number_that_belongs_to_somebody_else_now_is_left_alone(paths: Paths) -> None:
    paths.pid.write_text(str(os.getpid()))
    assert process.find("x", paths) is None
    process.kill("x", paths)


@pytest.mark.parametrize("content", ["", "abc", "999999999"])
def test_a_pid_file_that_says_nothing_is_no_process(paths: Paths, content: str) -> None:
    paths.pid.write_text(content)
    assert process.find("x", paths) is None


def test_kill_ends_it_and_a_zombie_counts_as_gone(machine: subprocess.Popen[bytes], paths: Paths) -> None:
    process.kill("x", paths)
    assert process.find("x", paths) is None
    assert machine.wait(timeout=10) != 0


def test_a_process_without_command_line_that_still_has_files_is_not_gone(paths: Paths) -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert not process._wait_ended(child.pid, timeout_s=0.3)
    child.kill()
    assert process._wait_ended(child.pid, timeout_s=10)
    child.wait()
