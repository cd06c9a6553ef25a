# SPDX-License-Identifier: Apache-2.0
"""The QEMU process of a lab: found by its pid file, recognised by its command line, never mistaken for another."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from nfvcap.lab.topology import Paths, process_name

_POLL_S = 0.1


def find(name: str, paths: Paths) -> int | None:
    """Process id of the lab's running QEMU, or None.

    A pid file may be left from an earlier boot of this machine, its number now somebody else's.
    """
    try:
        pid = int(paths.pid.read_text(encoding="ascii").strip())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = process_name(name).encode() in words and str(paths.pid).encode() in words
    return pid if ours else None


def age_s(pid: int) -> float:
    """Seconds since the process was started."""
    # The command name in parentheses may contain spaces; the fields after it do not. Field 22 is the start time.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - started_s


def resident_bytes(pid: int) -> int:
    """Memory of this machine that the process has now; 0 when it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_gone(name: str, paths: Paths, timeout_s: float) -> bool:
    """Wait until the lab's QEMU has ended; False when it still runs after ``timeout_s``."""
    pid = find(name, paths)
    return pid is None or _wait_ended(pid, timeout_s)


def kill(name: str, paths: Paths) -> None:
    """End the lab's QEMU at once, like a power cut; silent when there is none."""
    pid = find(name, paths)
    if pid is None:
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    _wait_ended(pid, timeout_s=60)


def stop(name: str, paths: Paths) -> None:
    """Like :func:`kill`, and nothing is left of what exists only while it runs."""
    kill(name, paths)
    for path in paths.sockets():
        path.unlink(missing_ok=True)


def _wait_ended(pid: int, timeout_s: float) -> bool:
    """Wait until a process has let go of its files.

    On its way out it loses its command line first, then gigabytes of memory, and the locks of its disks last.
    """
    deadline = time.monotonic() + timeout_s
    while _holds_files(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _holds_files(pid: int) -> bool:
    """False once no thread of a process is left but its zombie."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return len(threads) > 1 or state not in ("Z", "X")
