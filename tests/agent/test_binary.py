# SPDX-License-Identifier: Apache-2.0
"""What the finished program asks of a machine: nothing but glibc, and a processor of x86-64-v2."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nfvcap.agent.build import Variant
from tests.agent.build import build_variant
from tests.agent.captures import numbered, pcap, write
from tests.agent.support import Agent

OLDEST_GLIBC = (2, 36)  # Debian 12


def said(*argv: str | Path) -> str:
    if shutil.which(str(argv[0])) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=True).stdout


def test_only_glibc_is_linked_dynamically(agent_binary: Path) -> None:
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", said("readelf", "-dW", agent_binary)))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}, needed


def test_no_symbol_is_younger_than_debian_12(agent_binary: Path) -> None:
    if tuple(map(int, platform.libc_ver()[1].split("."))) > OLDEST_GLIBC:
        pytest.skip("built with a younger glibc, whose symbols are younger")
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", said("objdump", "-T", agent_binary))
    assert versions and max((int(a), int(b)) for a, b in versions) <= OLDEST_GLIBC


def test_drivers_are_named(agent: Agent) -> None:
    lines = agent.run("--version").stdout.splitlines()
    assert lines[0].startswith("nfvcap-agent ")
    (drivers,) = [line for line in lines if line.startswith("DPDK ")]
    wanted = {"e1000", "ixgbe", "i40e", "iavf", "ice", "virtio", "vmxnet3", "af_packet", "af_xdp", "pcap", "memif"}
    assert wanted | {"ring", "null", "tap"} <= set(drivers.split("drivers: ")[1].split())


@pytest.mark.parametrize(
    ("cpu", "isa"), [("Nehalem-v1", "x86-64-v2"), pytest.param("Haswell-v4", "x86-64-v3", marks=pytest.mark.soak)]
)
def test_older_processors_run_it(agent_binary: Path, memory_dir: Path, cpu: str, isa: str) -> None:
    """Under emulation: an instruction that the processor does not have ends the program."""
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("qemu-user is not installed")
    emulated = ["qemu-x86_64", "-cpu", cpu, str(agent_binary)]
    capture = [
        "capture",
        "--port",
        "vdev:net_null0,size=64",
        "--write",
        str(memory_dir / "x.pcap"),
        "--packets",
        "2000",
    ]
    done = subprocess.run(
        [*emulated, *capture, "--filter", "not arp", "--huge-pages", "off", "--quiet", "--json"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["instruction_set"] == isa and report["total"]["stored"] == 2000
    file = write(memory_dir / "numbered.pcap", pcap(numbered(range(300))))
    check = subprocess.run([*emulated, "check", "--expect", "300", str(file)], capture_output=True, check=False)
    assert check.returncode == 0, check.stderr[-2000:]
    sent = subprocess.run(
        [*emulated, "generate", "--port", "vdev:net_null0", "--count", "500", "--rate", "max", "--huge-pages", "off"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr[-2000:]


@pytest.mark.soak
def test_reading_under_valgrind(agent_binary: Path, agent_source: Path, tmp_path: Path) -> None:
    """The optimised program itself, on whole and on damaged files; DPDK's own start is not valgrind's to judge."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    corpus = sorted((agent_source / "fuzz" / "corpus" / "capture").iterdir())
    file = write(tmp_path / "numbered.pcap", pcap(numbered(range(2000))))
    done = subprocess.run(
        ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=no", str(agent_binary), "check", "--json",
         "--threads", "2", "--memory", "64M", str(file), *map(str, corpus)],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    if "unrecognised instruction" in done.stderr or "Illegal instruction" in done.stderr:
        pytest.skip("this valgrind does not know the processor's vector instructions")
    assert done.returncode in (0, 4), done.stderr[-3000:]
    assert json.loads(done.stdout)["schema"] == "nfvcap/agent-check/1"


@pytest.mark.soak
def test_clang_makes_the_same_of_it(agent_source: Path, memory_dir: Path) -> None:
    """Every warning of clang is an error as well; every way of storing works."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    agent = Agent(build_variant(agent_source, Variant("clang", compiler="clang")))
    assert "compiler" in agent.run("--version").stdout
    for isa in ("x86-64-v2", "x86-64-v3", "x86-64-v4"):
        for form in ("pcap-ns", "pcap-us", "pcapng"):
            words = ("--port", "vdev:net_null0,size=64", "--write", str(memory_dir / "x.pcap"), "--packets", "5000",
                     "--format", form, "--filter", "not arp", "--huge-pages", "off", "--isa", isa)  # fmt: skip
            done = agent.run("capture", *words)
            if "cannot run here" in done.stderr:
                continue
            assert done.returncode == 0, done.stderr
            verdict = agent.run("check", "--json", str(memory_dir / "x.pcap"))
            assert json.loads(verdict.stdout)["totals"]["packets"] == 5000, verdict.stdout
