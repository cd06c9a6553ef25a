# SPDX-License-Identifier: Apache-2.0
"""The machine's files under one root that can be swapped: `/` on a host, a planted tree in a test.

Paths are always the absolute paths of the machine (``/sys/bus/pci/devices``); the root is put in front here and
nowhere else. Files of this package import each other relatively (``from .nfvcap_root import Root``), which works
inside Ansible's module payload, in the copy that a host keeps for its boot units, and in the tests alike.
"""

from __future__ import annotations

import errno
import os
import stat

# "There is no such thing" is an answer; everything else is a problem worth a line.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO)
# Attributes that exist but have no value now (a link's speed while it is down, a switch id in legacy mode).
_NO_VALUE = (errno.EINVAL, errno.EOPNOTSUPP)


class Root:
    """Reads that never raise and tell what they could not read, and writes that always raise.

    Args:
        path: directory that stands for `/`.

    Attributes:
        problems: what could not be read, in words, in order, without repetition.
    """

    def __init__(self, path: str = "/") -> None:
        self.path = "" if path == "/" else os.path.abspath(path)
        self.problems: list[str] = []

    def real(self, path: str) -> str:
        """Where an absolute path of the machine lies under this root."""
        if not path.startswith("/"):
            raise ValueError(f"not an absolute path: {path!r}")
        return self.path + path

    def problem(self, text: str) -> None:
        """Keep one line about something that could not be read."""
        if text not in self.problems:
            self.problems.append(text)

    def _failed(self, path: str, error: OSError) -> None:
        if error.errno not in _ABSENT and error.errno not in _NO_VALUE:
            self.problem(f"cannot read {path}: {error.strerror or error}")

    # Reading: None (or nothing) when it is not there; a problem is kept when it is there and cannot be read.

    def read_bytes(self, path: str, limit: int = -1) -> bytes | None:
        """Content of a file, at most `limit` bytes when that is not negative."""
        try:
            with open(self.real(path), "rb") as stream:
                return stream.read(limit)
        except OSError as error:
            self._failed(path, error)
            return None

    def read(self, path: str, limit: int = -1) -> str | None:
        """Content of a text file as it stands; bytes that are no UTF-8 are replaced."""
        data = self.read_bytes(path, limit)
        return None if data is None else data.decode("utf-8", "replace")

    def value(self, path: str) -> str | None:
        """Content of a one-value file without surrounding white space; None when empty, too."""
        text = self.read(path)
        return (text.strip() or None) if text is not None else None

    def number(self, path: str, base: int = 10) -> int | None:
        """Content of a one-number file; anything else is a problem and None."""
        text = self.value(path)
        if text is None:
            return None
        try:
            return int(text, base)
        except ValueError:
            self.problem(f"{path} holds {text[:40]!r}, not a number")
            return None

    def listdir(self, path: str) -> list[str]:
        """Sorted names in a directory; none when it is not there."""
        try:
            return sorted(os.listdir(self.real(path)))
        except OSError as error:
            self._failed(path, error)
            return []

    def readlink(self, path: str) -> str | None:
        """Target of a symbolic link as written; None when it is no link."""
        try:
            return os.readlink(self.real(path))
        except OSError as error:
            self._failed(path, error)
            return None

    def link_name(self, path: str) -> str | None:
        """Last part of a link's target: the driver of `.../driver`, the address of `.../physfn`."""
        target = self.readlink(path)
        return target.rstrip("/").rsplit("/", 1)[-1] if target else None

    def exists(self, path: str) -> bool:
        """Whether something is there (links are followed)."""
        return os.path.exists(self.real(path))

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self.real(path))

    def mode(self, path: str) -> int | None:
        """Permission bits (0o644) of a file."""
        try:
            return stat.S_IMODE(os.stat(self.real(path)).st_mode)
        except OSError as error:
            self._failed(path, error)
            return None

    # Writing: OSError reaches the caller, who knows what it was for.

    def write(self, path: str, text: str) -> None:
        """Write into a file that exists (sysfs, procfs) with one write(2): never creates, never truncates."""
        handle = os.open(self.real(path), os.O_WRONLY)
        try:
            os.write(handle, text.encode("utf-8"))
        finally:
            os.close(handle)

    def replace(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a regular file in place whole and on disk: temporary file, fsync, rename, fsync of the directory."""
        real = self.real(path)
        folder = os.path.dirname(real)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, f".{os.path.basename(real)}.nfvcap{os.getpid()}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(temporary, real)
        except BaseException:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise
        self.sync_folder(os.path.dirname(path))

    def remove(self, path: str) -> None:
        """Remove a file, durably; not an error when it is not there."""
        try:
            os.unlink(self.real(path))
        except FileNotFoundError:
            return
        self.sync_folder(os.path.dirname(path))

    def sync_folder(self, path: str) -> None:
        """Make renames and removals in a directory survive a power cut."""
        handle = os.open(self.real(path) or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
