# SPDX-License-Identifier: Apache-2.0
"""An ear in a guest, with a real tcpdump on a real interface: a network namespace stands in for the guest.

Its /etc/passwd knows root only, as that of the lab's guest does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import nfvcap_guestear
from ansible.module_utils.nfvcap_command import Completed
from ansible.module_utils.nfvcap_ears import counted
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_host import Host

from nfvcap.mirror.stream import Stream, frame

MAC = "02:00:00:81:00:00"
PF = "0000:81:00.0"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace")


class Guest:
    """The agent of a guest: programs run in the namespace, with the guest's own list of users."""

    name = "vm1"

    def __init__(self, namespace: str, passwd: Path, interfaces: list[dict[str, Any]]) -> None:
        self._inside = [
            "ip", "netns", "exec", namespace, "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', str(passwd),
        ]  # fmt: skip
        self._interfaces = interfaces

    def run(self, argv: list[str], timeout_s: float = 60) -> Completed:
        done = subprocess.run([*self._inside, *argv], capture_output=True, text=True, timeout=timeout_s, check=False)
        return Completed(argv, done.returncode, done.stdout, done.stderr)

    def interfaces(self) -> list[dict[str, Any]]:
        return self._interfaces

    def read_file(self, path: str) -> bytes:
        return Path(path).read_bytes()


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Guest, str]]:
    """A guest with the interface eth0, and the interface here that its cable ends at."""
    namespace, here = f"ear{os.getpid()}", f"ear{os.getpid() % 100000}"
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    steps = (
        f"ip netns add {namespace}",
        f"ip link add {here} type veth peer name eth0 address {MAC} netns {namespace}",
        f"ip link set {here} up",
    )
    try:
        for step in steps:
            subprocess.run(step.split(), check=True)
        guest = Guest(namespace, tmp_path / "passwd", [{"name": "eth0", "mac": MAC, "pci": None}])

        @contextmanager
        def agent(_name: str) -> Iterator[Guest]:
            yield guest

        monkeypatch.setattr(nfvcap_guestear, "_agent", agent)
        monkeypatch.setattr(nfvcap_guestear.Port, "vf_mac", lambda _port, _index: MAC)
        yield guest, here
    finally:
        # The cable first: a namespace that is deleted takes its end along some time later, when the next test is there.
        subprocess.run(["ip", "link", "del", here], check=False)
        subprocess.run(["ip", "netns", "del", namespace], check=False)


def words(tmp_path: Path, longest_s: int = 60) -> dict[str, Any]:
    return {
        "path": str(tmp_path / "ear.pcap"),
        "snap_bytes": 96,
        "filter": "udp dst port 51966",
        "longest_s": longest_s,
    }


def is_up(guest: Guest) -> bool:
    return int(guest.run(["cat", "/sys/class/net/eth0/flags"]).stdout, 16) & 1 == 1


def send(here: str, count: int, flow: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as door:
        door.bind((here, 0))
        for number in range(count):
            door.send(frame(Stream(MAC, 0, 64), flow, number))


def test_it_hears_every_frame_and_leaves_nothing_behind(link: tuple[Guest, str], tmp_path: Path) -> None:
    guest, here = link
    assert not is_up(guest)
    ear = nfvcap_guestear.open_in_guest(Host(), "vm1", PF, 0, words(tmp_path))
    assert is_up(guest)
    send(here, 200, flow=7)
    send(here, 3, flow=8)
    time.sleep(0.3)
    assert counted(nfvcap_guestear.close_in_guest(ear), 7) == {"received": 200, "ranges": [[0, 199]]}
    assert not is_up(guest) and sorted(path.name for path in tmp_path.iterdir()) == ["passwd"]


def test_one_that_is_forgotten_ends_by_itself(link: tuple[Guest, str], tmp_path: Path) -> None:
    nfvcap_guestear.open_in_guest(Host(), "vm1", PF, 0, words(tmp_path, longest_s=1))
    pid = int((tmp_path / "ear.pcap.pid").read_text())
    deadline = time.monotonic() + 20
    while (Path("/proc") / str(pid)).exists() and "Z" not in (Path("/proc") / str(pid) / "stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_tcpdump_says_is_told(link: tuple[Guest, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nfvcap_guestear, "_OPEN", nfvcap_guestear._OPEN.replace("seq 60", "seq 2"))
    with pytest.raises(Failure, match="nobody listens at eth0") as caught:
        nfvcap_guestear.open_in_guest(Host(), "vm1", PF, 0, {**words(tmp_path), "filter": "no such filter"})
    assert "syntax error" in caught.value.why
