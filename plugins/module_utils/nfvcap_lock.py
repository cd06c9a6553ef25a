# SPDX-License-Identifier: Apache-2.0
"""One nfvcap at a time changes a host."""

from __future__ import annotations

import fcntl
import os
import time

from .nfvcap_failure import Failure
from .nfvcap_host import Host

PATH = "/run/lock/nfvcap.lock"
# Modules of one run follow each other within milliseconds. One whose controller was killed goes on, and may wait half a
# minute for a driver; whoever holds the lock longer than this is another run.
WAIT_S = 60.0


class HostLock:
    """``with HostLock(host, "nfvcap_sriov"):``; the kernel releases it when the process ends, however it ends."""

    def __init__(self, host: Host, holder: str, wait_s: float = WAIT_S) -> None:
        self._host, self._holder, self._wait_s = host, holder, wait_s
        self._descriptor = -1

    def __enter__(self) -> HostLock:
        """Take the lock.

        Raises:
            Failure: NFV-LEDGER-001 with the holder's name when it is not free in time.
        """
        try:
            self._descriptor = os.open(
                self._host.real(PATH), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644
            )
        except OSError as error:
            raise Failure(
                "NFV-LEDGER-001", f"cannot open {PATH}", str(error), "run as root, on a host with a writable /run/lock"
            ) from error
        if not self._host.wait_until(self._taken, self._wait_s):
            said = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise Failure(
                "NFV-LEDGER-001",
                "another nfvcap is changing this host",
                f"{PATH} is held by {said or 'a process that has not said its name'}",
                "wait until it has ended, then run again",
            )
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{self._holder} (pid {os.getpid()}, since {stamp})\n".encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
