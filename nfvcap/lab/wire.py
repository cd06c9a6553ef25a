# SPDX-License-Identifier: Apache-2.0
"""The far end of a lab port's cable: whole Ethernet frames in and out, counted, none dropped silently.

QEMU connects a port to a pair of UNIX datagram sockets. A datagram is a frame. The kernel never drops one: when the
machine is slow to take frames the sender waits, here with a limit. What the *port* does with a frame (no buffer free,
address not wanted) is its own business and shows in its counters, as on a real cable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from nfvcap.lab.errors import LabError

MAX_FRAME_BYTES = 65535
_BUFFER_BYTES = 4 * 1024 * 1024


class Wire:
    """One end of a cable; use as a context manager.

    Args:
        local: socket of this end; at most one program has it at a time.
        remote: socket of the machine's end.

    Attributes:
        sent, sent_bytes, received, received_bytes: frames and bytes that really went through.
    """

    def __init__(self, local: Path, remote: Path) -> None:
        self._local, self._remote = local, remote
        self.sent = self.sent_bytes = self.received = self.received_bytes = 0
        self._lock: int | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Take this end of the cable.

        Raises:
            LabError: NFV-LAB-008 another program has it, NFV-LAB-007 the machine's end is not there.
        """
        lock = os.open(_lock_path(self._local), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise LabError(
                8, "another program has this end of the wire", str(self._local), "stop it, or use another port"
            ) from None
        self._lock = lock
        # The lock says that a socket in the way is a leftover.
        self._local.unlink(missing_ok=True)
        end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            end.bind(str(self._local))
            # Connected, so that waiting for room means room at the machine's end.
            end.connect(str(self._remote))
        except OSError as error:
            end.close()
            self.close()
            raise self._gone(error) from error
        self._socket = end

    def close(self) -> None:
        """Let go of this end; frames that come afterwards have no receiver."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._lock is not None:
            self._local.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def fileno(self) -> int:
        """For select and poll."""
        return self._end().fileno()

    def send(self, frame: bytes, timeout_s: float = 10) -> None:
        """Send one frame; waits as long as the machine has no room for it.

        Raises:
            LabError: NFV-LAB-010 not taken within ``timeout_s``, NFV-LAB-007 the machine is gone.
        """
        deadline = time.monotonic() + timeout_s
        end = self._end()
        while True:
            end.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                count = end.send(frame)
                break
            except TimeoutError:
                raise LabError(
                    10, f"the lab server took no frame for {timeout_s:g} s", f"{self.sent} frames were sent before",
                    "is the port up, and is the machine not stopped? nfvcap lab status",
                ) from None  # fmt: skip
            except OSError as error:
                # The kernel is short of socket memory for a moment: the one case that is neither sent nor waited for.
                if error.errno not in {errno.ENOBUFS, errno.ENOMEM} or time.monotonic() > deadline:
                    raise self._gone(error) from error
                time.sleep(0.001)
        self.sent += 1
        self.sent_bytes += count

    def receive(self, timeout_s: float) -> bytes | None:
        """The next frame from the port, None when none came within ``timeout_s``.

        Raises:
            LabError: NFV-LAB-007 the machine is gone.
        """
        end = self._end()
        end.settimeout(max(0.000001, timeout_s))
        try:
            frame = end.recv(MAX_FRAME_BYTES)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError as error:
            raise self._gone(error) from error
        self.received += 1
        self.received_bytes += len(frame)
        return frame

    def drain(self) -> int:
        """Throw away what has come so far; returns how many frames (they are counted as received)."""
        before = self.received
        while self.receive(0.000001) is not None:
            pass
        return self.received - before

    def _end(self) -> socket.socket:
        if self._socket is None:
            raise LabError(8, "the wire is not open", str(self._local), "use it in a with statement")
        return self._socket

    def _gone(self, error: OSError) -> LabError:
        return LabError(
            7, "the lab server is not at the other end of the wire", f"{self._remote}: {error}", "nfvcap lab up"
        )


def listening(local: Path) -> bool:
    """Does a program hold this end of the cable? If not, frames that the port sends have no receiver."""
    try:
        lock = os.open(_lock_path(local), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with contextlib.closing(os.fdopen(lock, "rb")):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_path(local: Path) -> Path:
    return local.with_suffix(".lock")
