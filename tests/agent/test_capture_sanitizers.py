# SPDX-License-Identifier: Apache-2.0
"""The capture under sanitizers: built anew for each, so only with the long runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nfvcap.agent.build import Variant
from tests.agent.build import build_variant
from tests.agent.captures import check
from tests.agent.support import Agent, Running, judge
from tests.agent.test_generate import SMALL, generate
from tests.agent.test_generate_links import veth

__all__ = ["veth"]

pytestmark = pytest.mark.soak

VARIANTS = {
    "asan": ("-Db_sanitize=address,undefined",),
    "tsan": ("-Db_sanitize=thread", "-Dc_args=-Wno-tsan"),
}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1",  # messages are never freed, on purpose
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


@pytest.fixture
def build(request: pytest.FixtureRequest, agent_source: Path) -> Path:
    options = (*VARIANTS[request.param], "-Dbuildtype=debugoptimized", "-Db_lundef=false")
    return build_variant(agent_source, Variant(request.param, options, strip=False))


@pytest.mark.parametrize("build", ["asan"], indirect=True)
def test_files_storms_and_control_under_address_and_undefined(build: Path) -> None:
    here = Path(__file__).parent
    names = ("test_capture_files.py", "test_capture_storms.py", "test_capture_control.py", "test_capture_interfaces.py",
             "test_capture_stamps.py")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not soak", *(str(here / name) for name in names)],
        env={**os.environ, **OPTIONS, "NFVCAP_AGENT": str(build)},
        capture_output=True,
        text=True,
        cwd=here.parents[1],
    )
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("engine", ["mmap", "direct", "write"])
@pytest.mark.parametrize("build", ["tsan"], indirect=True)
def test_threads_under_the_thread_sanitizer(build: Path, memory_dir: Path, tmp_path: Path, engine: str) -> None:
    where = memory_dir if engine == "mmap" else tmp_path
    command = [str(build), "capture", "--quiet", "--port", "vdev:net_null0,size=64", "--queues", "2"]
    command += ["--write", str(where / "x.pcap"), "--engine", engine, "--rotate-size", "4M", "--max-files", "4"]
    command += ["--duration", "3", "--stats-interval", "50ms", "--metrics-file", str(tmp_path / "metrics")]
    done = subprocess.run(command, env={**os.environ, **OPTIONS}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-6000:]
    assert "ThreadSanitizer" not in done.stderr


@pytest.mark.parametrize("build", ["tsan"], indirect=True)
def test_the_kernels_ring_under_the_thread_sanitizer(
    build: Path, agent: Agent, memory_dir: Path, veth: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A capture thread takes from the ring while the main thread asks, every few milliseconds, what it dropped."""
    near, far = veth
    for name, value in OPTIONS.items():
        monkeypatch.setenv(name, value)
    running = Running(build, memory_dir, (
        "--port", f"af_packet:{far},ring=1M", "--write", str(memory_dir / "x.pcap"), "--queues", "2",
        "--engine", "write", "--stats-interval", "5ms", "--metrics-file", str(memory_dir / "metrics"),
        *SMALL))  # fmt: skip
    for _ in range(3):
        generate(agent, "--port", f"af_packet:{near}", "--count", "20000", "--rate", "40kpps", "--size", "64,900")
    running.send(signal.SIGTERM)
    stdout, stderr = running.process.communicate(timeout=60)
    assert "ThreadSanitizer" not in stderr and running.process.returncode == 0, stderr[-6000:]
    done = judge(running.process.returncode, stdout, stderr)
    assert done.total["stored"] > 0
    assert check(agent, *sorted(memory_dir.glob("x*.pcap"))).report["totals"]["corrupt"] == 0
