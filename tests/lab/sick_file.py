# SPDX-License-Identifier: Apache-2.0
"""A file of the lab server that has fallen ill: reads are answered truly, writes block or fail half way.

Runs on the server, as root: ``python3 - PATH blocks``, or ``fails-after NUMBER`` or ``blocks-after NUMBER`` for PATH;
the latter two write NUMBER in place of any number but 0, and then answer ENOMEM, as a card does that runs out of room
half way, or not at all. The file is covered by a FUSE mount, so a writer that blocks hangs in the kernel and cannot be
killed, as with a driver that hangs.
Prints its process id and stays; the file is well again when it has been killed and PATH unmounted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, RELEASE, FLUSH, INIT, INTERRUPT = 2, 3, 4, 14, 15, 16, 18, 25, 26, 36
IN_HEADER, OUT_HEADER = "<IIQQIIIHH", "<IiQ"
IN_BYTES = struct.calcsize(IN_HEADER)
WRITE_IN_BYTES = 40
BUFFER_BYTES = 1 << 18
DIRECT_IO = 1
REGULAR_FILE = 0o100644
NO_ANSWER = None


def attributes() -> bytes:
    """An ordinary file, whose attributes nobody may keep for later."""
    valid_for = struct.pack("<QII", 0, 0, 0)
    inode, size, links, block = 1, 4096, 1, 4096
    return valid_for + struct.pack("<QQ32x12xIIIIIII", inode, size, REGULAR_FILE, links, 0, 0, 0, block, 0)


class SickFile:
    """Answers the kernel's requests about the one file."""

    def __init__(self, path: str, illness: str, number: str = "") -> None:
        self.illness, self.number = illness, number
        # Opened before it is covered.
        self.real = os.open(path, os.O_RDWR)
        self.device = os.open("/dev/fuse", os.O_RDWR)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.device},rootmode={REGULAR_FILE:o},user_id=0,group_id=0"
        if libc.mount(b"sick-file", path.encode(), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount", path)

    def serve(self) -> None:
        while True:
            request = os.read(self.device, BUFFER_BYTES)
            _, operation, unique, *_ = struct.unpack_from(IN_HEADER, request)
            try:
                answer, error = self.answer(operation, request[IN_BYTES:]), 0
            except OSError as caught:
                answer, error = b"", -(caught.errno or errno.EIO)
            if answer is not NO_ANSWER:
                head = struct.pack(OUT_HEADER, struct.calcsize(OUT_HEADER) + len(answer), error, unique)
                os.write(self.device, head + answer)

    def answer(self, operation: int, body: bytes) -> bytes | None:
        if operation == INIT:
            major, minor, read_ahead = struct.unpack_from("<III", body)
            return struct.pack("<IIIIHHIIHHI28x", major, minor, read_ahead, 0, 8, 8, 4096, 1, 1, 0, 0)
        if operation in (GETATTR, SETATTR):
            return attributes()
        if operation == OPEN:
            return struct.pack("<QII", 0, DIRECT_IO, 0)
        if operation in (READ, WRITE):
            return self.read(body) if operation == READ else self.write(body[WRITE_IN_BYTES:])
        if operation in (RELEASE, FLUSH, FORGET, INTERRUPT):
            return b"" if operation in (RELEASE, FLUSH) else NO_ANSWER
        raise OSError(errno.ENOSYS, "not needed")

    def read(self, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(self.real, 4096, 0)[offset : offset + size]

    def write(self, data: bytes) -> bytes | None:
        if self.illness == "blocks":
            return NO_ANSWER
        if data.strip() == b"0":
            os.pwrite(self.real, data, 0)
            return struct.pack("<II", len(data), 0)
        os.pwrite(self.real, self.number.encode(), 0)
        if self.illness == "blocks-after":
            return NO_ANSWER
        raise OSError(errno.ENOMEM, "no room for more")


def main() -> None:
    file = SickFile(*sys.argv[1:])
    if child := os.fork():
        print(child)
        return
    os.setsid()
    # Whoever started us over ssh waits until nobody has its output open any more.
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    file.serve()


if __name__ == "__main__":
    main()
