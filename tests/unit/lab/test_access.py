# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab import access
from nfvcap.lab.image import Image
from nfvcap.lab.topology import Paths

# Recorded from QEMU 10.0.13.
USERNET = """Hub -1 (management):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  25       127.0.0.1 41723       10.0.2.15    22     0     0
"""


def test_the_forwarded_port_is_read_from_the_monitor() -> None:
    assert access.forwarded_port(USERNET) == 41723


def test_no_forward_is_an_error() -> None:
    with pytest.raises(NfvcapError):
        access.forwarded_port(USERNET.replace("HOST_FORWARD", "ESTABLISHED"))


def test_each_lab_has_a_host_name_of_its_own() -> None:
    assert access.alias("lab") == "nfvcap-lab"
    assert access.alias("test") == "nfvcap-lab-test"


@pytest.mark.parametrize("shared", [True, False])
def test_ssh_reads_the_written_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    paths, image = Paths(tmp_path / "5 % of a lab"), Image(tmp_path)
    # A connection can be shared where the path of its socket has room for what ssh adds to it.
    monkeypatch.setattr(access, "_LONGEST_CONNECTION", len(str(paths.connection)) - (not shared))
    paths.directory.mkdir()
    (tmp_path / "complete").write_text('{"host_key": "ssh-ed25519 AAAA"}')
    access.write_config("lab", paths, image, 2222)
    argv = ["ssh", "-G", *access.command("lab", paths, [])[1:]]
    settings = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "port 2222" in settings
    assert "hostname 127.0.0.1" in settings
    assert "stricthostkeychecking true" in settings
    assert f"identityfile {image.key}" in settings
    assert (f"controlpath {paths.connection}" in settings) == ("controlpersist 60" in settings) == shared
    assert paths.known_hosts.read_text() == "nfvcap-lab ssh-ed25519 AAAA\n"


def serve(greeting: bytes) -> int:
    """A server that accepts one connection, says ``greeting`` and closes; returns its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def once() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(greeting)

    threading.Thread(target=once, daemon=True).start()
    return int(server.getsockname()[1])


def test_an_accepted_connection_alone_is_no_ssh_server() -> None:
    assert not access.greets(serve(b""))
    assert access.greets(serve(b"SSH-2.0-OpenSSH_10.0p2\r\n"))


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not access.greets(port)
