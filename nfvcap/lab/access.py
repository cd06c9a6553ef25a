# SPDX-License-Identifier: Apache-2.0
"""The way into a lab server: its ssh configuration, and is it there yet?"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from nfvcap.errors import NfvcapError
from nfvcap.lab.errors import LabError
from nfvcap.lab.image import Image
from nfvcap.lab.topology import Paths
from nfvcap.run import Completed, run

DEFAULT_LAB = "lab"
VARIABLE = "NFVCAP_LAB"
"""Names the lab that is meant when none is named."""
# Paths of UNIX sockets have at most 107 bytes; ssh adds a dot and 16 letters while it makes one.
_LONGEST_CONNECTION = 90
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s")


def alias(lab: str) -> str:
    """The name of a lab's server in its ssh configuration.

    Different for each lab, because ssh clients that share connections (Ansible's) tell hosts apart by name.
    """
    return "nfvcap-lab" if lab == DEFAULT_LAB else f"nfvcap-lab-{lab}"


def forwarded_port(usernet: str) -> int:
    """The ssh port out of what QEMU's monitor says about its user network.

    Raises:
        LabError: NFV-LAB-003 it says nothing of a port.
    """
    match = _FORWARD.search(usernet)
    if match is None:
        raise LabError(3, "QEMU does not say on which port ssh is forwarded", usernet.strip())
    return int(match.group(1))


def write_config(lab: str, paths: Paths, image: Image, port: int) -> None:
    """Write ssh_config and known_hosts: the server's key is known from the image, so it is checked strictly."""
    name = alias(lab)
    paths.known_hosts.write_text(f"{name} {image.host_key}\n", encoding="utf-8")
    settings = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": "root",
        "IdentityFile": _quoted(image.key),
        "IdentitiesOnly": "yes",
        "HostKeyAlias": name,
        "UserKnownHostsFile": _quoted(paths.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ServerAliveInterval": "15",
        "LogLevel": "ERROR",
    }
    if len(os.fsencode(paths.connection)) <= _LONGEST_CONNECTION:
        # To log in costs an emulated processor more than a second; most commands take less. It ends with the server.
        settings |= {"ControlMaster": "auto", "ControlPath": _quoted(paths.connection), "ControlPersist": "60"}
    lines = ["# SPDX-License-Identifier: Apache-2.0", f"# ssh -F {paths.ssh_config} {name}", f"Host {name}"]
    lines += [f"  {key} {value}" for key, value in settings.items()]
    paths.ssh_config.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(path: Path) -> str:
    """A path as ssh reads it, which has words of its own that begin with ``%``."""
    return '"' + str(path).replace("%", "%%") + '"'


def command(lab: str, paths: Paths, words: list[str]) -> list[str]:
    """The ssh command; as with ssh itself, the words are joined by spaces and read by the remote shell."""
    return ["ssh", "-F", str(paths.ssh_config), alias(lab), *words]


def ssh(lab: str, paths: Paths, words: list[str], *, timeout_s: float, check: bool, stdin: str | None) -> Completed:
    """Run a command in the lab server.

    Raises:
        NfvcapError: NFV-RUN-002 time limit, NFV-RUN-003 the command or ssh failed (only with ``check``).
    """
    argv = command(lab, paths, words)
    # Without a terminal a question could only hang.
    return run([argv[0], "-o", "BatchMode=yes", *argv[1:]], timeout_s=timeout_s, check=check, stdin=stdin)


def greets(port: int, timeout_s: float = 2) -> bool:
    """Does an ssh server answer there?

    A connection alone says nothing: QEMU accepts it for the lab server before that one listens.
    """
    if not port:
        return False
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def logs_in(lab: str, paths: Paths, timeout_s: float = 30) -> bool:
    """Can root log in and run a command?"""
    try:
        return ssh(lab, paths, ["true"], timeout_s=timeout_s, check=False, stdin=None).ok
    except NfvcapError:
        return False
