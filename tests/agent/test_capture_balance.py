# SPDX-License-Identifier: Apache-2.0
"""`generate`, `capture` and `check` agree to the packet while the capture is abused.

What the sender says that it sent is what the files hold plus what each counter says was lost, in every case; and the
numbers of the frames in the files say so without asking the capture.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.captures import Checked, check
from tests.agent.numbered_link import RING_FRAMES, linked, wait_until_received
from tests.agent.support import LOSSES, Agent, Capture, Running
from tests.agent.test_capture_control import ask
from tests.agent.test_generate import generate
from tests.agent.test_generate_links import veth

__all__ = ["veth"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the telemetry socket's directory is another one for users")
SHORT, LONG = 3, 200
SEEDS = [*range(SHORT), *(pytest.param(i, marks=pytest.mark.soak) for i in range(SHORT, LONG))]


def lost(total: dict[str, int]) -> int:
    return sum(total[name] for name in LOSSES)


def recounted(agent: Agent, where: Path, expect: int, *args: str) -> Checked:
    """What the files hold of frames 0 to ``expect`` - 1: each at most once, none damaged, none from elsewhere."""
    found = check(agent, *sorted(where.glob("x*.pcap")), "--expect", str(expect), *args)
    totals, numbers = found.report["totals"], found.numbers
    assert totals["corrupt"] == numbers["duplicates"] == numbers["reordered"] == 0, found.report
    assert totals["packets"] == totals["good"] == numbers["distinct"]
    return found


def assert_balance(agent: Agent, where: Path, done: Capture, sent: int, missed: int = 0, *args: str) -> None:
    """sent = stored + each loss, by the sender, the counters and the files."""
    total = done.total
    assert total["received"] + missed == sent
    assert total["received"] == total["stored"] + lost(total)
    found = recounted(agent, where, sent, *args)
    assert found.report["totals"]["good"] == total["stored"]
    assert found.numbers["missing"] == lost(total) + missed


def finish(running: Running, count: int) -> Capture:
    wait_until_received(running, count)
    return running.stop()


def test_a_file_per_mebibyte_at_full_rate(agent: Agent, place: Path, engine: str, tmp_path: Path) -> None:
    args = ("--write", str(place / "x.pcap"), "--engine", engine, "--rotate-size", "1M", "--burst-buffer", "4M")
    with linked(agent, tmp_path, args, "--rate", "max", "--count", "150000") as (running, sender):
        done = finish(running, 150_000)
        report = sender.dismiss()
    assert report["sent"] == 150_000 and done.total["files"] >= done.total["stored"] * 76 >> 20
    assert_balance(agent, place, done, report["sent"])


@pytest.mark.parametrize("pause_s", [0.5, pytest.param(5.0, marks=pytest.mark.soak)])
def test_stopped_while_the_sender_goes_on(
    agent: Agent, place: Path, engine: str, pause_s: float, tmp_path: Path
) -> None:
    """Frames that the full ring does not take are given up by the sender, which counts them."""
    args = ("--write", str(place / "x.pcap"), "--engine", engine, "--rotate-size", "1M")
    count = 60_000 + int(50_000 * pause_s)
    with linked(agent, tmp_path, args, "--rate", "50kpps", "--count", str(count), "--when-full", "drop") as pair:
        running, sender = pair
        wait_until_received(running, 5000)
        running.send(signal.SIGSTOP)
        time.sleep(pause_s)
        running.send(signal.SIGCONT)
        wait_until_quiet(running)
        done = running.stop()
        report = sender.dismiss()
    assert report["numbered"] == report["sent"] + report["refused"] and report["refused"] > 0
    assert done.total["received"] == report["sent"] == done.total["stored"] + lost(done.total)
    found = recounted(agent, place, report["numbered"])
    assert found.report["totals"]["good"] == done.total["stored"]
    assert found.numbers["missing"] == report["refused"] + lost(done.total)


def wait_until_quiet(running: Running) -> None:
    """Until nothing has come for two seconds: more than a machine that is busy keeps a sender away."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 2:
        now = wait_until_received(running, 0)["received"]
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_ended_at_any_moment(agent: Agent, place: Path, engine: str, seed: int, tmp_path: Path) -> None:
    """The frames that came are the first ones, in a file or counted; what the sender sent besides is in the ring."""
    rng = random.Random(seed)
    args = ("--write", str(place / "x.pcap"), "--engine", engine, "--rotate-size", rng.choice(["1M", "8M"]),
            "--burst-buffer", "4M", "--when-full", rng.choice(["drop", "wait"]))  # fmt: skip
    with linked(agent, tmp_path, args, "--rate", "max", "--count", "100000000") as (running, sender):
        wait_until_received(running, rng.randrange(1, 100_000))
        done = running.stop(rng.choice([signal.SIGTERM, signal.SIGINT]))
        report = sender.dismiss()
    assert_balance(agent, place, done, done.total["received"])
    assert 0 <= report["sent"] - done.total["received"] <= RING_FRAMES


@pytest.mark.parametrize("engine", ["mmap", "write"])
def test_a_full_disk(agent: Agent, small_tmpfs: Path, engine: str, tmp_path: Path) -> None:
    args = ("--write", str(small_tmpfs / "x.pcap"), "--engine", engine, "--burst-buffer", "8M")
    words = ("--rate", "15kpps", "--size", "1518", "--count", "60000")
    with linked(agent, tmp_path, args, *words) as (running, sender):
        done = finish(running, 60_000)
        report = sender.dismiss()
    assert done.total["lost_full"] + done.total["lost_write"] > 0, done.total
    assert_balance(agent, small_tmpfs, done, report["sent"])


def through_cable(
    agent: Agent, veth: tuple[str, str], where: Path, capture_args: tuple[str, ...], *sender_args: str,
    abuse: Callable[[Running], None] = lambda running: None,
) -> tuple[Capture, dict[str, Any]]:  # fmt: skip
    """The same from one end of a cable to the other, where the kernel is between the two programs."""
    near, far = veth
    running = agent.start(
        where.parent, "--port", f"af_packet:{far},ring=4M", "--write", str(where / "x.pcap"), "--huge-pages", "off",
        *capture_args,
    )  # fmt: skip
    before = dropped_on_the_way(near)
    try:
        with_sender = BackgroundGenerate(agent, near, *sender_args)
        abuse(running)
        sent = with_sender.report()
        time.sleep(0.5)
        done = running.stop()
    except BaseException:
        running.kill()
        raise
    assert dropped_on_the_way(near) == before, "the kernel threw frames away before anybody could capture them"
    return done, sent


def dropped_on_the_way(interface: str) -> int:
    return int(Path("/sys/class/net", interface, "statistics", "tx_dropped").read_text())


class BackgroundGenerate:
    """`generate` in a thread of its own."""

    def __init__(self, agent: Agent, near: str, *args: str) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(1)
        self._sent = self._pool.submit(generate, agent, "--port", f"af_packet:{near}", *args)

    def report(self) -> dict[str, Any]:
        try:
            return self._sent.result()
        finally:
            self._pool.shutdown()


def restart_often(running: Running) -> None:
    for _ in range(5):
        ask(running.process.pid, "/nfvcap/restart,0")
        time.sleep(0.2)


def test_a_port_that_is_stopped_and_started(agent: Agent, place: Path, veth: tuple[str, str]) -> None:
    done, sent = through_cable(agent, veth, place, (), "--count", "20000", "--rate", "10kpps", abuse=restart_often)
    assert done.report["port_restarts"] >= 4
    assert_balance(agent, place, done, sent["sent"], done.report["ports"][0]["nic_missed"])


def stand_still(seconds: float) -> Callable[[Running], None]:
    def abuse(running: Running) -> None:
        wait_until_received(running, 1000)
        running.send(signal.SIGSTOP)
        time.sleep(seconds)
        running.send(signal.SIGCONT)

    return abuse


@pytest.mark.parametrize("pause_s", [1.0, pytest.param(5.0, marks=pytest.mark.soak)])
def test_stopped_while_the_kernel_goes_on(agent: Agent, place: Path, veth: tuple[str, str], pause_s: float) -> None:
    """What the kernel's ring did not keep counts as missed."""
    count = int(60_000 * (pause_s + 1))
    done, sent = through_cable(
        agent, veth, place, (), "--count", str(count), "--rate", "60kpps", abuse=stand_still(pause_s)
    )
    missed = done.report["ports"][0]["nic_missed"]
    assert missed > 0
    assert_balance(agent, place, done, sent["sent"], missed)


@pytest.mark.parametrize("engine", ["mmap", "write"])
def test_sixteen_queues_on_two_cpus(agent: Agent, place: Path, engine: str, veth: tuple[str, str]) -> None:
    done, sent = through_cable(
        agent, veth, place,
        ("--queues", "16", "--engine", engine, "--burst-buffer", "4M", "--rx-desc", "512", "--rotate-size", "1M"),
        "--count", "32000", "--rate", "20kpps", "--flows", "64",
    )  # fmt: skip
    queues = done.report["ports"][0]["queues"]
    assert len(queues) == 16 and sum(queue["stored"] > 0 for queue in queues) > 8
    missed = done.report["ports"][0]["nic_missed"]
    total = done.total
    assert total["received"] + missed == sent["sent"] and total["received"] == total["stored"] + lost(total)
    found = check(agent, *sorted(place.glob("x*.pcap")), "--expect", "32000", "--flows", "64")
    assert found.report["totals"]["corrupt"] == found.numbers["duplicates"] == 0
    assert found.report["totals"]["good"] == found.numbers["distinct"] == total["stored"]
    assert found.numbers["missing"] == lost(total) + missed
