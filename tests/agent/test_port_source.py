# SPDX-License-Identifier: Apache-2.0
"""A machine as source of numbered frames: the real generator in a network namespace, counted at the end of its cable.

The way into the namespace is a command in front, as ssh is one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nfvcap.agent import brought, build
from nfvcap.agent.frame import Verdict, judge
from nfvcap.door.command import CommandDoor
from nfvcap.door.door import must, shell
from nfvcap.errors import NfvcapError
from nfvcap.mirror.generator import Generator
from nfvcap.mirror.stream import Sent, Stream
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.path import Order, Source
from nfvcap.verify.packets.sources.agent import AgentSource
from nfvcap.verify.packets.sources.named import opened
from nfvcap.verify.packets.sources.origin import Origin
from nfvcap.verify.packets.traffic import traffic
from tests.agent.captures import numbered, pcap

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")
ONE, TWO = "02:00:00:81:00:00", "02:00:00:81:00:01"
PORT = "af_packet:eth0"
NEVER = threading.Event()


@pytest.fixture
def cable() -> Iterator[tuple[CommandDoor, str]]:
    """The way to a machine with the interface eth0, and the interface here at the end of its cable."""
    name = f"mir{os.getpid() % 100000}"
    before = set(Path("/var/tmp").glob("nfvcap-source-*"))
    try:
        for step in (
            f"ip netns add {name}", f"ip link add {name} type veth peer name eth0 netns {name}",
            f"ip link set {name} up", f"ip -n {name} link set eth0 up",
        ):  # fmt: skip
            subprocess.run(step.split(), check=True)
        yield CommandDoor("host2", ("ip", "netns", "exec", name)), name
        assert subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True).stdout == b""
    finally:
        # The cable first: a namespace that is deleted takes its end along some time later, when the next test is there.
        subprocess.run(["ip", "link", "del", name], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)
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
                if verdict is Verdict.GOOD and ident is not None:
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
        (sent,) = Generator(door, agent_binary, PORT).send([Stream(ONE, 0, 64, 300)], 1000, NEVER, 60)
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
        one, two = Generator(door, agent_binary, PORT).send([Stream(ONE, 0, 60), Stream(TWO, 0, 60)], 200, stop, 60)
    assert one.count > 20 and two.count > 20
    assert (found[ONE], found[TWO]) == (numbers(one), numbers(two))


def test_a_port_that_is_not_there_is_the_agent_s_own_word(cable: tuple[CommandDoor, str], agent_binary: Path) -> None:
    with pytest.raises(NfvcapError, match="eth9") as caught:
        Generator(cable[0], agent_binary, "af_packet:eth9").send([Stream(ONE, 0, 64, 1)], 100, NEVER, 60)
    assert caught.value.code == "NFV-AGENT-003"


VF = GuestVf("0000:03:10.0", "0000:03:00.0", "kernel", 0, ONE, 0, 0, "eth0", "")


@contextmanager
def source_there(
    door: CommandDoor, program: Path, monkeypatch: pytest.MonkeyPatch, *others: GuestVf
) -> Iterator[Source]:
    """What `nfvcap verify --from host2:eth0` sends with."""
    monkeypatch.setattr(build, "locate", lambda: program)
    with opened(Origin("agent", "af_packet:eth0", door), [VF, *others]) as source:
        yield source


def test_verification_sends_from_there_as_well(
    cable: tuple[CommandDoor, str], agent_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, here = cable
    with listening(here) as found, source_there(door, agent_binary, monkeypatch) as source:
        assert source.name == "agent generator at af_packet:eth0 of host2" and source.limits_known
        with source.sending(Order(traffic("64"), 300, 1000)) as emission:
            sent = emission.wait(60)
        assert sent.numbered == 300 and not sent.interrupted
        with source.sending(Order(traffic("64"), 1 << 30, 1000)):
            wait_for(lambda: len(found[ONE]) > 400, "nothing is sent")
        at_the_end = len(found[ONE])
        time.sleep(0.3)
        assert len(found[ONE]) == at_the_end, "it stops when its block is left"
    assert found[ONE] == [*range(300), *range(at_the_end - 300)]


@pytest.mark.parametrize("away", [True, False])
def test_a_source_that_is_late_is_stopped_and_tells_what_it_has_sent(
    away: bool, cable: tuple[CommandDoor, str], agent_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error: a trial of which less was sent is worth being told."""
    door, here = cable
    monkeypatch.setattr(build, "locate", lambda: agent_binary)
    origin = Origin("agent", "af_packet:eth0", door) if away else Origin("agent", f"af_packet:{here}")
    with opened(origin, [VF]) as source, source.sending(Order(traffic("64"), 1 << 30, 1000)) as emission:
        time.sleep(1)
        sent = emission.wait(1)
    assert 500 < sent.numbered < 20_000 and sent.interrupted


def test_several_vfs_get_a_flow_each(
    cable: tuple[CommandDoor, str], agent_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, here = cable
    other = replace(VF, mac=TWO, vlan=100)
    with listening(here) as found, source_there(door, agent_binary, monkeypatch, other) as source:
        with source.sending(Order(traffic("64", 2), 300, 1000)) as emission:
            assert emission.wait(60).numbered == 300
        assert isinstance(source, AgentSource) and "--vlan none --vlan 100" in source.last_command
    assert found[ONE] == found[TWO] == list(range(150))


def test_a_file_that_is_replayed_there_is_brought_there(
    cable: tuple[CommandDoor, str], agent_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    door, here = cable
    (tmp_path / "three.pcap").write_bytes(pcap(numbered(range(3), layout=VF.layout)))
    with listening(here) as found, source_there(door, agent_binary, monkeypatch) as source:
        for _ in range(2):
            with source.sending(Order(traffic(str(tmp_path / "three.pcap")), 30, 1000)) as emission:
                assert emission.wait(60).numbered == 30
    assert found[ONE] == [*range(30), *range(30)]


_LONG = """
import sys, time
from pathlib import Path
from nfvcap.agent.brought import brought
from nfvcap.agent.options import GenerateOptions
from nfvcap.door.command import CommandDoor
door = CommandDoor("host2", ("ip", "netns", "exec", sys.argv[1]))
with brought(door, Path(sys.argv[2])) as there:
    options = GenerateOptions(port="af_packet:eth0", size="64", rate="100pps", duration_s=600.0)
    with there.generator(options, Path(sys.argv[3])):
        print(there.program, flush=True)
        time.sleep(600)
"""


# A connection as ssh is one: the far end lives in a session of its own, and has its standard input from here.
_RELAY = """
import os, subprocess, sys, threading
far = subprocess.Popen(sys.argv[1:], stdin=-1, stdout=-1, stderr=-1, start_new_session=True)
def pump(source, target):
    while data := source.read1(65536):
        target.write(data); target.flush()
    target.close()
home = [threading.Thread(target=pump, args=ends) for ends in
        ((far.stdout, sys.stdout.buffer), (far.stderr, sys.stderr.buffer))]
threading.Thread(target=pump, args=(sys.stdin.buffer, far.stdin), daemon=True).start()
[end.start() for end in home]; [end.join() for end in home]
os._exit(far.wait())
"""


def test_a_cut_connection_ends_the_source_and_takes_its_directory_away(
    cable: tuple[CommandDoor, str], agent_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = cable[1]
    door = CommandDoor("host2", (sys.executable, "-c", _RELAY, "ip", "netns", "exec", name))
    before = set(Path("/var/tmp").glob("nfvcap-source-*"))
    with listening(name) as found, source_there(door, agent_binary, monkeypatch) as source:
        (place,) = set(Path("/var/tmp").glob("nfvcap-source-*")) - before
        with source.sending(Order(traffic("64"), 1 << 30, 1000)) as emission:
            wait_for(lambda: len(found[ONE]) > 100, "nothing is sent")
            for pid in relays():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(NfvcapError):
                emission.wait(60)
            wait_for(lambda: not pids(name) and not place.exists(), "it goes on")
        sent = len(found[ONE])
        time.sleep(0.3)
        assert len(found[ONE]) == sent


def relays() -> list[int]:
    below = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return [int(pid) for pid in below if b"start_new_session" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def wait_for(what: Callable[[], object], lacking: str) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, lacking
        time.sleep(0.05)


def test_directories_that_nobody_keeps_are_removed_and_others_stay(tmp_path: Path) -> None:
    there = {name: tmp_path / f"nfvcap-source-{name}" for name in ("dead", "alive", "new", "old")}
    for place in there.values():
        place.mkdir()
    keeper = subprocess.Popen(["sh", "-c", "read -r _; exit", "sh", str(there["alive"])], stdin=subprocess.PIPE)
    (there["alive"] / "keeper").write_text(f"{keeper.pid}\n")
    (there["dead"] / "keeper").write_text(f"{os.getpid()}\n")  # another program has its number now
    os.utime(there["old"], (0, 0))
    new = tmp_path / "nfvcap-source-next"
    must(shell(CommandDoor("here"), brought._MAKE, str(tmp_path / "nfvcap-source-"), str(new)), CommandDoor("here"))
    assert {place.name for place in tmp_path.iterdir()} == {there["alive"].name, there["new"].name, new.name}
    keeper.communicate()


def test_nothing_goes_on_when_whoever_asked_for_it_is_killed(
    cable: tuple[CommandDoor, str], agent_binary: Path, tmp_path: Path
) -> None:
    name = cable[1]
    argv = [sys.executable, "-c", _LONG, name, str(agent_binary), str(tmp_path)]
    with listening(name) as found:
        caller = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert caller.stdout is not None
        program = Path(caller.stdout.readline().strip())
        try:
            deadline = time.monotonic() + 30
            while not program.exists() or not pids(name):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            caller.kill()
            caller.wait()
        deadline = time.monotonic() + 15
        while pids(name):
            assert time.monotonic() < deadline, "it goes on"
            time.sleep(0.05)
    assert not found[TWO]
    wait_for(lambda: not program.parent.exists(), "its directory is left")


def pids(namespace: str) -> list[str]:
    return subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout.split()
