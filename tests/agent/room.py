# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a guest on a VF: a network namespace at the far end of a cable whose near end is a lab port's socket.

The port takes datagrams from a UNIX socket and puts them on the cable, as QEMU does. The way into the guest runs
commands in the namespace. So everything between the wire and the recount is real, but for the virtual machine.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nfvcap.door.command import CommandDoor
from nfvcap.lab.wire import Wire
from nfvcap.verify.packets.engines.vf import GuestVf

MAC = "02:00:00:81:00:02"


@dataclass
class Room:
    """A namespace, the interface in it, and the port in front of it.

    Attributes:
        loses: the port drops each so manieth frame; 0: none.
    """

    name: str
    directory: Path
    interface: str
    near: str
    loses: int = 0
    forwarded: int = 0
    dropped: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def door(self) -> CommandDoor:
        return CommandDoor(f"guest {self.name}", ("ip", "netns", "exec", self.name))

    @property
    def vf(self) -> GuestVf:
        return GuestVf("0000:81:10.2", "0000:81:00.0", "kernel", 1, MAC, 0, 1000, self.interface, "0000:03:00.0")

    def wire(self) -> Wire:
        return Wire(self.directory / "port.wire", self.directory / "port.nic")

    def run(self, *words: str) -> str:
        return subprocess.run([*self.door.prefix, *words], check=True, capture_output=True, text=True).stdout

    def pids(self) -> list[int]:
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True)
        return [int(pid) for pid in done.stdout.split()]

    def serve(self) -> None:
        """What QEMU does: a datagram is a frame."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end, \
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:  # fmt: skip
            end.bind(str(self.directory / "port.nic"))
            end.settimeout(0.1)
            cable.bind((self.near, 0))
            count = 0
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    frame = end.recv(65535)
                    count += 1
                    if self.loses and count % self.loses == 0:
                        self.dropped += 1
                        continue
                    cable.send(frame)
                    self.forwarded += 1


@contextmanager
def room(directory: Path) -> Iterator[Room]:
    """A room of its own; skips where namespaces cannot be made."""
    tag = f"{os.getpid() % 100000}"
    made = Room(f"nfvg{tag}", directory, f"nfvv{tag}", f"nfvn{tag}")
    if subprocess.run(["ip", "netns", "add", made.name], capture_output=True).returncode != 0:
        pytest.skip("network namespaces can only be made by root")
    try:
        for words in (
            f"link add {made.near} type veth peer name {made.interface} netns {made.name} address {MAC}",
            f"link set {made.near} up",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        Path(f"/proc/sys/net/ipv6/conf/{made.near}/disable_ipv6").write_text("1")
        made.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        thread = threading.Thread(target=made.serve)
        thread.start()
        while not (directory / "port.nic").exists():
            assert thread.is_alive()
            time.sleep(0.01)
        yield made
        made._stop.set()
        thread.join()
    finally:
        made._stop.set()
        subprocess.run(["ip", "netns", "del", made.name], check=False)
        subprocess.run(["ip", "link", "del", made.near], check=False, capture_output=True)
