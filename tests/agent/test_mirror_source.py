# SPDX-License-Identifier: Apache-2.0
"""A machine as source of a mirror test: the real generator in a network namespace, counted at the end of its cable.

The way into the namespace is a command in front, as ssh is one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nfvcap.agent.frame import Verdict, judge
from nfvcap.door.command import CommandDoor
from nfvcap.errors import NfvcapError
from nfvcap.mirror.generator import Generator
from nfvcap.mirror.stream import Sent, Stream

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
ONE, TWO = "02:00:00:81:00:00", "02:00:00:81:00:01"
NEVER = threading.Event()


@pytest.fixture
def cable() -> Iterator[tuple[CommandDoor, str]]:
    """The way to a machine with the interface eth0, and the interface here at the end of its cable."""
    name = f"mir{os.getpid() % 100000}"
    before = set(Path("/var/tmp").glob("nfvcap-source-*"))
    for step in (
        f"ip netns add {name}", f"ip link add {name} type veth peer name eth0 netns {name}", f"ip link set {name} up",
        f"ip -n {name} link set eth0 up",
    ):  # fmt: skip
        subprocess.run(step.split(), check=True)
    yield CommandDoor("host2", ("ip", "netns", "exec", name)), name
    assert subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True).stdout == b""
    subprocess.run(["ip", "netns", "del", name], check=True)
    # Tests beside this one have directories of their own there for a while.
    deadline = time.monotonic() + 30
    while left := set(Path("/var/tmp").glob("nfvcap-source-*")) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@contextmanager
def listening(interface: str) -> Iterator[dict[str, list[int]]]:
    """Numbers of good frames by address; complete when the block is left."""
    found: dict[str, list[int]] = {ONE: [], TWO: []}
    done = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as ear:
        ear.bind((interface, 3))
        ear.settimeout(0.2)

        def listen() -> None:
            while not done.is_set():
                try:
                    data = ear.recv(2048)
                except TimeoutError:
                    continue
                verdict, ident = judge(data)
                if verdict is Verdict.GOOD and ident is not None and ident.flow == 0:
                    found[data[:6].hex(":")].append(ident.seq)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield found
            time.sleep(0.5)
        finally:
            done.set()
            thread.join()


def numbers(sent: Sent) -> list[int]:
    return list(range(sent.first, sent.first + sent.count))


def test_so_many_frames_arrive_with_the_numbers_that_it_tells(
    cable: tuple[CommandDoor, str], agent_binary: Path
) -> None:
    door, here = cable
    with listening(here) as found:
        (sent,) = Generator(door, agent_binary, "eth0").send([Stream(ONE, 0, 64, 300)], 1000, NEVER, 60)
    assert sent.count == 300 and found[ONE] == numbers(sent) and found[TWO] == []


def test_two_addresses_side_by_side_until_it_is_stopped(cable: tuple[CommandDoor, str], agent_binary: Path) -> None:
    door, here = cable
    stop = threading.Event()
    with listening(here) as found:

        def stop_soon() -> None:
            while not (found[ONE] and found[TWO]):
                time.sleep(0.05)
            time.sleep(0.5)
            stop.set()

        threading.Thread(target=stop_soon, daemon=True).start()
        one, two = Generator(door, agent_binary, "eth0").send([Stream(ONE, 0, 60), Stream(TWO, 0, 60)], 200, stop, 60)
    assert one.count > 20 and two.count > 20
    assert (found[ONE], found[TWO]) == (numbers(one), numbers(two))


def test_a_port_that_is_not_there_is_the_agent_s_own_word(cable: tuple[CommandDoor, str], agent_binary: Path) -> None:
    with pytest.raises(NfvcapError, match="eth9") as caught:
        Generator(cable[0], agent_binary, "eth9").send([Stream(ONE, 0, 64, 1)], 100, NEVER, 60)
    assert caught.value.code == "NFV-AGENT-003"
