# SPDX-License-Identifier: Apache-2.0
"""Lines for the host's journal, with fields of their own: journald's native protocol, or syslog where there is none."""

from __future__ import annotations

import socket

from .nfvcap_host import Host

_JOURNALD = "/run/systemd/journal/socket"
_SYSLOG = "/dev/log"
_IDENTIFIER = "nfvcap-mirror"
NOTICE, WARNING = 5, 4


def journal(host: Host, message: str, priority: int = NOTICE, **fields: str) -> bool:
    """Write one line; tells whether anybody took it. Field names are in capitals."""
    one_line = " ".join(message.split())
    words = {"MESSAGE": one_line, "PRIORITY": str(priority), "SYSLOG_IDENTIFIER": _IDENTIFIER, **fields}
    native = "".join(f"{name}={' '.join(value.split())}\n" for name, value in words.items())
    facility_daemon = 3 << 3
    return _send(host, _JOURNALD, native) or _send(
        host, _SYSLOG, f"<{facility_daemon | priority}>{_IDENTIFIER}: {one_line}"
    )


def _send(host: Host, path: str, text: str) -> bool:
    if host.status(path) is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.settimeout(2)
            door.sendto(text.encode(), host.real(path))
    except OSError:
        return False
    return True
