# SPDX-License-Identifier: Apache-2.0
"""What SIGKILL may cost: no more than agent/README.md says for the engine, measured against what had been received."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.agent.captures import check
from tests.agent.numbered_link import accepted, counters, linked, wait_until_received
from tests.agent.support import Agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
NULL_PORT = ("--port", "vdev:net_null0,size=64")
BUFFER_BYTES, CHUNK_BYTES = 4 << 20, 1 << 20
BUFFER = ("--burst-buffer", "4M", "--chunk", "1M")
RECORD_BYTES = 16 + 60  # of the smallest numbered frame; net_null's are longer
FLUSH_S, SLACK_S = 0.2, 2.0  # how long a part of a chunk waits; what a busy machine may take besides
SHORT, LONG = 3, 200
SEEDS = [*range(SHORT), *(pytest.param(i, marks=pytest.mark.soak) for i in range(SHORT, LONG))]


def bound_packets(engine: str, record_bytes: int) -> int:
    """What agent/README.md allows to be lost: of the chunks each can be longer than its size by a burst."""
    return 0 if engine == "mmap" else (BUFFER_BYTES + 4 * 64 * record_bytes) // record_bytes


def files_of(where: Path) -> list[Path]:
    """The capture's files; the newest may still have the hidden name under which it was prepared."""
    hidden = [path for path in where.glob(".*.next") if path.read_bytes()[:4].strip(b"\0")]
    return [*sorted(where.glob("x*.pcap")), *hidden]


def repaired(agent: Agent, where: Path) -> list[Path]:
    """Every file, made valid: what `check` says of each of them afterwards is that it is whole."""
    files = files_of(where)
    assert files
    for path in files:
        done = agent.run("check", "--repair", str(path))
        assert done.returncode == 0, (path, done.stdout, done.stderr)
        agent.check(path)
    return files


@pytest.mark.parametrize("seed", SEEDS)
def test_at_full_rate(agent: Agent, place: Path, engine: str, seed: int) -> None:
    """At any moment, between files too: what a sample before the kill had accepted is there, but for the bound."""
    rng = random.Random(seed)
    running = agent.start(
        place.parent, *NULL_PORT, "--write", str(place / "x.pcap"), "--engine", engine, *BUFFER, "--rx-desc", "512",
        "--format", rng.choice(["pcap-ns", "pcapng"]), "--rotate-size", rng.choice(["4M", "32M"]),
    )  # fmt: skip
    sample = wait_until_received(running, 20_000)
    time.sleep(rng.uniform(0, 0.1))
    sample = counters(running)
    running.kill()
    found = int(agent.check(*repaired(agent, place))["totals"]["packets"])
    assert accepted(sample) - found <= bound_packets(engine, 16 + 64), (sample, found)


@pytest.mark.parametrize("seed", SEEDS)
def test_numbered_frames_up_to_the_last_but_the_bound(
    agent: Agent, place: Path, engine: str, seed: int, tmp_path: Path
) -> None:
    """What is left is the beginning of what was sent, without a hole."""
    rng = random.Random(seed)
    capture_args = ("--write", str(place / "x.pcap"), "--engine", engine, *BUFFER, "--rotate-size", "2M",
                    "--when-full", "wait", "--flush", "0")  # fmt: skip
    with linked(agent, tmp_path, capture_args, "--rate", "max", "--count", "100000000") as (running, _):
        wait_until_received(running, rng.randrange(1, 150_000))
        sample = counters(running)
        running.kill()
    files = repaired(agent, place)
    found = check(agent, *files)
    assert found.report["totals"]["corrupt"] == 0
    assert found.numbers["missing"] == found.numbers["duplicates"] == 0
    assert sample["received"] - found.report["totals"]["good"] <= bound_packets(engine, RECORD_BYTES)


@pytest.mark.parametrize("goes_on", [True, False])
def test_what_came_a_flush_ago_is_there(agent: Agent, place: Path, engine: str, goes_on: bool, tmp_path: Path) -> None:
    """To the packet, although it does not fill a chunk; with files in memory without having to wait.

    Both while more comes and on a line that has gone quiet.
    """
    capture_args = ("--write", str(place / "x.pcap"), "--engine", engine, "--flush", str(FLUSH_S))
    sender_args = ("--rate", "2kpps", "--count", "100000000" if goes_on else "2000")
    with linked(agent, tmp_path, capture_args, *sender_args) as (running, _):
        sample = wait_until_received(running, 2000)
        if engine != "mmap":
            time.sleep(FLUSH_S + SLACK_S)
        last = counters(running)["received"]
        running.kill()
    assert last * RECORD_BYTES < CHUNK_BYTES, "a chunk was full: nothing is proven"
    found = check(agent, *repaired(agent, place))
    assert found.numbers["missing"] == found.report["totals"]["corrupt"] == 0
    assert found.report["totals"]["good"] >= sample["received"] >= 2000


def test_without_a_flush_a_chunk_waits(agent: Agent, place: Path, engine: str, tmp_path: Path) -> None:
    """The other tests would see a loss: a few packets in a chunk that is not full are lost where chunks are used."""
    capture_args = ("--write", str(place / "x.pcap"), "--engine", engine, "--flush", "0", *BUFFER)
    with linked(agent, tmp_path, capture_args, "--rate", "max", "--count", "5000") as (running, _):
        wait_until_received(running, 5000)
        running.kill()
    found = check(agent, *repaired(agent, place)).report["totals"]
    assert found["packets"] == (5000 if engine == "mmap" else 0)
