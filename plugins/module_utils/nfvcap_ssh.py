# SPDX-License-Identifier: Apache-2.0
"""The ssh connection that this process came over: its two addresses.

sudo takes SSH_CONNECTION out of the environment, but the processes between sshd and sudo still have it in theirs;
and should none of them, the sshd among them has the connection open.
"""

from __future__ import annotations

import socket
import struct

from .nfvcap_machine import Machine

_MOST_ANCESTORS = 32
_ESTABLISHED = "01"


def ssh_connection(machine: Machine) -> tuple[str, str] | None:
    """Addresses of the client and of this machine; None when no ssh connection leads here."""
    pid, variable = machine.process()
    if variable is None:
        ancestors = _ancestors(machine, pid)
        variable = next(filter(None, (_environment(machine, one) for one in ancestors)), None)
        if variable is None:
            return next(filter(None, (_open_connection(machine, one) for one in ancestors)), None)
    words = variable.split()
    return (words[0], words[2]) if len(words) == 4 else None


def _ancestors(machine: Machine, pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1 and len(found) < _MOST_ANCESTORS:
        found.append(pid)
        # "PID (NAME) STATE PPID …"; the name may contain anything.
        words = (machine.read(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
        pid = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return found


def _environment(machine: Machine, pid: int) -> str | None:
    for line in (machine.read(f"/proc/{pid}/environ") or "").split("\0"):
        if line.startswith("SSH_CONNECTION="):
            return line.partition("=")[2]
    return None


def _open_connection(machine: Machine, pid: int) -> tuple[str, str] | None:
    if not (machine.value(f"/proc/{pid}/comm") or "").startswith("sshd"):
        return None
    folder = f"/proc/{pid}/fd"
    targets = [machine.readlink(f"{folder}/{name}") or "" for name in machine.listdir(folder)]
    inodes = {target[8:-1] for target in targets if target.startswith("socket:[")}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (machine.read(table) or "").splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _ESTABLISHED and words[9] in inodes:
                return _address(words[2]), _address(words[1])
    return None


def _address(text: str) -> str:
    """`0100007F:0016` of /proc/net/tcp: 32-bit words in the CPU's byte order."""
    raw = bytes.fromhex(text.partition(":")[0])
    packed = struct.pack(f"={len(raw) // 4}I", *struct.unpack(f">{len(raw) // 4}I", raw))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
