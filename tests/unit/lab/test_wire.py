# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab import frames
from nfvcap.lab.wire import Wire, listening


@pytest.fixture
def nic(tmp_path: Path) -> Iterator[socket.socket]:
    """The machine's end of the cable, as QEMU binds it: it sends to a path and need not be connected."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "port0.nic"))
        yield end


@pytest.fixture
def wire(tmp_path: Path, nic: socket.socket) -> Iterator[Wire]:
    with Wire(tmp_path / "port0.wire", tmp_path / "port0.nic") as end:
        yield end


def test_frames_go_both_ways_and_are_counted(tmp_path: Path, nic: socket.socket, wire: Wire) -> None:
    wire.send(b"x" * 60)
    assert nic.recv(2000) == b"x" * 60
    nic.sendto(b"y" * 70, str(tmp_path / "port0.wire"))
    assert wire.receive(1) == b"y" * 70
    assert (wire.sent, wire.sent_bytes, wire.received, wire.received_bytes) == (1, 60, 1, 70)


def test_nothing_to_receive_is_none_and_not_counted(wire: Wire) -> None:
    assert wire.receive(0.01) is None
    assert wire.received == 0


def test_a_slow_machine_makes_the_sender_wait_and_loses_nothing(nic: socket.socket, wire: Wire) -> None:
    count, seen = 2000, []

    def machine() -> None:
        while len(seen) < count:
            seen.append(frames.number_of(nic.recv(2000)))

    reader = threading.Thread(target=machine)
    reader.start()
    for number in range(count):
        wire.send(frames.build("02:00:00:00:00:01", number))
    reader.join(timeout=30)
    assert seen == list(range(count))
    assert wire.sent == count


def test_a_machine_that_takes_nothing_is_an_error_and_not_a_drop(wire: Wire) -> None:
    with pytest.raises(NfvcapError) as caught:
        for _ in range(100_000):
            wire.send(b"x" * 1514, timeout_s=0.05)
    assert caught.value.code == "NFV-LAB-010"
    assert f"{wire.sent} frames" in caught.value.why


def test_the_cable_has_one_far_end(tmp_path: Path, wire: Wire) -> None:
    with pytest.raises(NfvcapError) as caught, Wire(tmp_path / "port0.wire", tmp_path / "port0.nic"):
        pass
    assert caught.value.code == "NFV-LAB-008"


def test_a_leftover_socket_of_a_killed_program_is_no_obstacle(tmp_path: Path, nic: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(tmp_path / "port0.wire"))
    with Wire(tmp_path / "port0.wire", tmp_path / "port0.nic") as wire:
        wire.send(b"z" * 60)
    assert nic.recv(2000) == b"z" * 60
    assert not (tmp_path / "port0.wire").exists()


def test_without_a_machine_the_wire_says_so_and_lets_go(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(NfvcapError) as caught, Wire(tmp_path / "port0.wire", tmp_path / "port0.nic"):
            pass
        assert caught.value.code == "NFV-LAB-007"
    assert not listening(tmp_path / "port0.wire")


def test_listening_tells_whether_frames_have_a_receiver(tmp_path: Path, nic: socket.socket) -> None:
    path = tmp_path / "port0.wire"
    assert not listening(path)
    with Wire(path, tmp_path / "port0.nic"):
        assert listening(path)
    assert not listening(path)


def test_a_machine_that_goes_away_is_reported(tmp_path: Path, nic: socket.socket, wire: Wire) -> None:
    nic.close()
    with pytest.raises(NfvcapError) as caught:
        wire.send(b"x" * 60)
    assert caught.value.code == "NFV-LAB-007"


def test_drain_counts_what_it_throws_away(tmp_path: Path, nic: socket.socket, wire: Wire) -> None:
    for _ in range(5):
        nic.sendto(b"q" * 60, str(tmp_path / "port0.wire"))
    assert wire.drain() == 5
    assert wire.received == 5
