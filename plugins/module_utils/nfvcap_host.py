# SPDX-License-Identifier: Apache-2.0
"""The door through which a host is changed: files below one root, commands, and waiting.

Tests replace this door (a fake tree that reacts to writes as the kernel does, blocks, or fails); nothing else
in the changing code touches the operating system.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable, Sequence

from .nfvcap_command import Completed, run
from .nfvcap_failure import Failure
from .nfvcap_machine import Machine

# Long enough for any sane answer of a local tool; what may take longer says so itself.
COMMAND_TIMEOUT_S = 60.0


class Host(Machine):
    """A machine that is read as :class:`Machine` does it, and changed."""

    def write_bounded(self, path: str, text: str, timeout_s: float) -> None:
        """Like :meth:`write`, in a child process: a driver may block in the write for ever.

        Raises:
            OSError: what the write said.
            TimeoutError: no answer in ``timeout_s``; the child was killed (it ends when the driver lets go of it).
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            self._write_as_child(path, text, writer)
        os.close(writer)
        try:
            ready, _, _ = select.select([reader], [], [], timeout_s)
            answer = os.read(reader, 16) if ready else b"timeout"
        finally:
            os.close(reader)
        if answer == b"timeout":
            os.kill(child, signal.SIGKILL)
            # Not waited for: a child stuck in the kernel would block us just the same. init inherits it.
            os.waitpid(child, os.WNOHANG)
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout_s:g} s", path)
        os.waitpid(child, 0)
        number = int(answer or str(errno.EIO))
        if number:
            raise OSError(number, os.strerror(number), path)

    def _write_as_child(self, path: str, text: str, writer: int) -> None:
        """Never returns: the child must not run a single line of what its parent was about to do."""
        number = errno.EIO
        try:
            # A child that the kernel does not let go of must keep nothing with it: not the host's lock, and not our
            # output, whose end whoever called us over ssh waits for.
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.closerange(3, writer)
            os.closerange(writer + 1, 256)
            self.write(path, text)
            number = 0
        except OSError as error:
            number = error.errno or errno.EIO
        finally:
            os.write(writer, str(number).encode())
            os._exit(0)

    def own(self, path: str, uid: int, gid: int) -> None:
        """Set the owner of a file or link."""
        os.lchown(self.real(path), uid, gid)

    def rename(self, path: str, new: str) -> None:
        """Give a file another name in the same directory, durably."""
        os.rename(self.real(path), self.real(new))
        self.sync_folder(os.path.dirname(new))

    def symlink(self, target: str, path: str) -> None:
        """Make a symbolic link, durably."""
        os.symlink(target, self.real(path))
        self.sync_folder(os.path.dirname(path))

    def make_folder(self, path: str, mode: int = 0o755) -> None:
        """Make one directory, durably; its parent must exist."""
        os.mkdir(self.real(path))
        os.chmod(self.real(path), mode)
        self.sync_folder(os.path.dirname(path))

    def remove_folder(self, path: str) -> bool:
        """Remove a directory if it is empty; tells whether it is gone."""
        try:
            os.rmdir(self.real(path))
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        self.sync_folder(os.path.dirname(path))
        return True

    def status(self, path: str) -> os.stat_result | None:
        """``lstat``, or None when there is nothing."""
        try:
            return os.lstat(self.real(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def missing_folders(self, path: str) -> list[str]:
        """Directories that have to be made before ``path`` can be put in place, outermost first."""
        missing: list[str] = []
        folder = os.path.dirname(path)
        while folder != "/" and not self.is_dir(folder):
            missing.insert(0, folder)
            folder = os.path.dirname(folder)
        return missing

    def run(self, argv: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S) -> Completed:
        """Run a command and return what it said, whatever its exit status; not for planted trees."""
        if self.path:
            return super().run(list(argv))
        return run(list(argv), timeout_s)

    def must(
        self, argv: Sequence[str], code: str, what: str, fix: str, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> Completed:
        """Run a command that has to succeed; otherwise a :class:`Failure` that quotes it and what it said."""
        done = self.run(argv, timeout_s)
        if not done.ok:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
            why = f"`{' '.join(argv)}` ended with {done.status}: {' / '.join(said) or 'it said nothing'}"
            raise Failure(code, what, why, fix)
        return done

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.05) -> bool:
        """Poll ``condition`` until it holds; False when ``timeout_s`` have passed. Pauses grow to 0.5 s."""
        deadline = self.now_s() + timeout_s
        while not condition():
            left = deadline - self.now_s()
            if left <= 0:
                return False
            self.sleep(min(interval_s, left))
            interval_s = min(interval_s * 1.5, 0.5)
        return True

    def now_s(self) -> float:
        """Monotonic time in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause."""
        time.sleep(seconds)
