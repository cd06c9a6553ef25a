# SPDX-License-Identifier: Apache-2.0
"""Numbered frames from a sender that says how many it sent, through shared memory, into a capture under abuse."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agent.support import Agent, Running
from tests.agent.test_capture_control import ask

RING_LOG2 = 10
RING_FRAMES = 1 << RING_LOG2
SMALL = ("--huge-pages", "off", "--rx-desc", "1024")
UNTIL_TOLD_S = "120"


def memif(directory: Path, role: str) -> str:
    where = directory / "memif"
    return f"vdev:net_memif0,role={role},socket={where},socket-abstract=no,rsize={RING_LOG2}"


def counters(capture: Running) -> dict[str, int]:
    """What the capture counts right now."""
    return ask(capture.process.pid, "/nfvcap/total")["/nfvcap/total"]


def accepted(sample: dict[str, int]) -> int:
    """Of a sample: the packets that must be in files, or are on their way there."""
    return sample["received"] - sample["filtered"] - sample["lost_buffer"] - sample["lost_full"]


def wait_until_received(capture: Running, packets: int, timeout_s: float = 90) -> dict[str, int]:
    """The first sample in which that many had come."""
    deadline = time.monotonic() + timeout_s
    while (sample := counters(capture))["received"] < packets:
        assert capture.process.poll() is None, "the capture has ended"
        assert time.monotonic() < deadline, f"only {sample['received']} of {packets} packets came"
        time.sleep(0.01)
    return sample


class Sender:
    """`generate` in the background; it stays after its last frame, because the ring goes when it does."""

    def __init__(self, agent: Agent, directory: Path, *args: str) -> None:
        command = ["generate", "--json", "--port", memif(directory, "client"), "--linger", UNTIL_TOLD_S,
                   "--huge-pages", "off", *args]  # fmt: skip
        self.process = subprocess.Popen(
            [str(agent.binary), *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def dismiss(self) -> dict[str, Any]:
        """Its report."""
        self.process.terminate()
        stdout, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode in (0, 130), stderr
        report: dict[str, Any] = json.loads(stdout)
        return report


@contextmanager
def linked(agent: Agent, directory: Path, capture_args: tuple[str, ...], *sender_args: str) -> Iterator[
    tuple[Running, Sender]
]:  # fmt: skip
    """A capture and its sender; nothing of them stays behind."""
    capture = agent.start(directory, "--port", memif(directory, "server"), *SMALL, *capture_args)
    sender = None
    try:
        sender = Sender(agent, directory, *sender_args)
        yield capture, sender
    finally:
        for process in (capture.process, *([sender.process] if sender else [])):
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=60)
