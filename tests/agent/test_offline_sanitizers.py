# SPDX-License-Identifier: Apache-2.0
"""The offline code under libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from nfvcap.agent.build import Variant
from tests.agent.build import built
from tests.agent.captures import FORMS, check, numbered, pcap, write
from tests.agent.support import Agent

FUZZERS = ("capture", "merge", "frame", "words", "filter")
UNIT_TESTS = tuple(sorted(path.stem for path in (Path(__file__).parents[2] / "agent/tests").glob("test_*.c")))
TARGETS = (
    *(f"fuzz/fuzz_{name}" for name in FUZZERS),
    *(f"fuzz/address_{name}" for name in UNIT_TESTS),
    "fuzz/offline_address",
    "fuzz/offline_thread",
)
# Texts of messages are never freed, and a program that leaves through an error frees nothing at all.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "halt_on_error=1"}
LEAKS_TOO = {**ENVIRONMENT, "ASAN_OPTIONS": "detect_leaks=1"}


@pytest.fixture(scope="module")
def fuzz_build(agent_source: Path) -> Path:
    """A clang build with sanitizers, of what needs no DPDK."""
    with built(agent_source, Variant("fuzz", ("-Dfuzz=true",), compiler="clang"), TARGETS) as work:
        return work / "fuzz"


class Sanitized(Agent):
    """The commands that need no DPDK, stopped by the first thing a sanitizer finds."""

    def run(self, *args: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.binary), *args], capture_output=True, text=True, timeout=timeout_s, env=ENVIRONMENT, check=False
        )
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        return done


@pytest.mark.parametrize("name", FUZZERS)
def test_fuzzer_runs_clean(fuzz_build: Path, agent_source: Path, tmp_path: Path, name: str) -> None:
    """Every seed of the corpus, then a bounded number of mutations of them; `make soak` does a thousand times more."""
    corpus = agent_source / "fuzz" / "corpus" / name
    assert len(list(corpus.iterdir())) >= 3
    runs = {"capture": 6000, "merge": 3000, "frame": 60000, "words": 200000, "filter": 10000}[name]
    fuzz(fuzz_build, corpus, tmp_path, name, f"-runs={runs}")


@pytest.mark.soak
@pytest.mark.timeout(2000)
@pytest.mark.parametrize("name", FUZZERS)
def test_fuzzer_runs_clean_for_long(fuzz_build: Path, agent_source: Path, tmp_path: Path, name: str) -> None:
    fuzz(fuzz_build, agent_source / "fuzz" / "corpus" / name, tmp_path, name, "-max_total_time=1200")


def fuzz(fuzz_build: Path, corpus: Path, tmp_path: Path, name: str, limit: str) -> None:
    found = tmp_path / "found"
    found.mkdir()
    done = subprocess.run(
        [str(fuzz_build / f"fuzz_{name}"), limit, "-max_len=4096", "-timeout=20", "-rss_limit_mb=4096", "-seed=1",
         f"-artifact_prefix={tmp_path}/", str(found), str(corpus)],
        capture_output=True, text=True, timeout=1500, cwd=tmp_path, check=False,
        env=ENVIRONMENT if name in {"words", "filter"} else LEAKS_TOO,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_unit_tests_under_address_sanitizer(fuzz_build: Path, name: str) -> None:
    done = subprocess.run(
        [str(fuzz_build / f"address_{name}")], capture_output=True, text=True, timeout=300, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_commands_under_address_sanitizer(fuzz_build: Path, tmp_path: Path) -> None:
    """Files cut and damaged at random: a verdict for each, and never a finding."""
    rng = random.Random(5)
    agent = Sanitized(fuzz_build / "offline_address")
    for round_ in range(25):
        paths = []
        for form in rng.sample(list(FORMS), 2):
            data = bytearray(FORMS[form](numbered(range(rng.randrange(200)), size=rng.choice([60, 61, 700]))))
            for _ in range(rng.choice([0, 1, 5])):
                data[rng.randrange(len(data))] = rng.randrange(256)
            paths.append(write(tmp_path / form, bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])))
        check(agent, paths[0], "--threads", "4", "--part", "1K")
        check(agent, *paths, *(["--repair=corrupt"] if round_ % 3 == 0 else []))
        assert agent.run("merge", str(tmp_path / "out.pcapng"), *map(str, paths)).returncode in (0, 4)


def test_threads_under_thread_sanitizer(fuzz_build: Path, tmp_path: Path) -> None:
    """Several files at once, and one that is read ahead of: no race."""
    agent = Sanitized(fuzz_build / "offline_thread")
    paths = [write(tmp_path / f"{i}", pcap(numbered(range(i, 20000, 6)))) for i in range(6)]
    assert check(agent, *paths, "--expect", "20000", "--threads", "4").code == 0
    assert check(agent, paths[0], "--threads", "2").code == 4
    whole = write(tmp_path / "whole", pcap(numbered(range(20000))))
    assert check(agent, whole, "--expect", "20000", "--threads", "5", "--part", "64K").code == 0
    cut = write(tmp_path / "cut", pcap(numbered(range(40000)))[:-1])
    assert check(agent, cut, "--threads", "2").report["problems"] == ["cut"]
