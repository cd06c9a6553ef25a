# SPDX-License-Identifier: Apache-2.0
"""The program under valgrind's memcheck: reading, merging, and whole captures, DPDK included."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nfvcap.agent.build import Variant
from tests.agent.build import build_variant
from tests.agent.captures import FORMS, numbered, write
from tests.agent.support import judge, read_packets

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]

FOUND = 77
MEMCHECK = (
    "valgrind",
    "--quiet",
    "--tool=memcheck",
    f"--error-exitcode={FOUND}",
    "--leak-check=no",
    "--track-origins=yes",
)


@pytest.fixture(scope="module")
def program(agent_source: Path) -> Path:
    """With lines for what valgrind says; it emulates up to AVX2, which the program finds out at run time."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    return build_variant(agent_source, Variant("valgrind", ("-Dbuildtype=debugoptimized",), strip=False))


def memcheck(program: Path, *args: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*MEMCHECK, str(program), *args], capture_output=True, text=True, timeout=900)
    assert done.returncode != FOUND, done.stderr[-6000:]
    return done


@pytest.mark.parametrize("form", list(FORMS))
def test_check_and_repair(program: Path, tmp_path: Path, form: str) -> None:
    data = FORMS[form](numbered(range(3000), size=61))
    whole = write(tmp_path / "whole", data)
    done = memcheck(program, "check", "--expect", "3000", "--threads", "2", str(whole))
    assert done.returncode == 0, done.stdout + done.stderr
    cut = write(tmp_path / "cut", data[:-7])
    assert memcheck(program, "check", str(cut)).returncode == 4
    memcheck(program, "check", "--repair", str(cut))
    assert memcheck(program, "check", str(cut)).returncode in (0, 4)


def test_merge(program: Path, tmp_path: Path) -> None:
    forms = list(FORMS)
    paths = [write(tmp_path / f"{i}", FORMS[forms[i % len(forms)]](numbered(range(i, 2000, 4)))) for i in range(4)]
    done = memcheck(program, "merge", str(tmp_path / "out.pcapng"), *map(str, paths))
    assert done.returncode == 0, done.stderr
    assert len(read_packets(tmp_path / "out.pcapng")) == 2000


@pytest.mark.parametrize("engine", ["mmap", "direct", "write"])
@pytest.mark.parametrize("format_", ["pcap-ns", "pcapng"])
def test_capture(program: Path, memory_dir: Path, tmp_path: Path, engine: str, format_: str) -> None:
    """A capture file as the source, a filter as machine code, the file's times, and every packet in the new file."""
    source = write(tmp_path / "in.pcap", FORMS["pcap-us"](numbered(range(2000), size=700)))
    target = (memory_dir if engine == "mmap" else tmp_path) / "out.pcap"
    done = memcheck(program, "capture", "--quiet", "--json", "--port", f"pcap:{source}", "--write", str(target),
                    "--engine", engine, "--format", format_, "--stop-idle", "2", "--when-full", "wait",
                    "--filter", "not arp and len > 60", "--timestamps", "file", "--huge-pages", "off",
                    "--burst-buffer", "4M", "--rx-desc", "512")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert judge(done.returncode, done.stdout, done.stderr).total["stored"] == 2000
    assert len(read_packets(target)) == 2000
