# SPDX-License-Identifier: Apache-2.0
"""A small ISO 9660 image (ECMA-119): one directory with a few files. Pure; nothing has to be installed for it."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 2048
_SYSTEM_AREA, _VOLUME, _TERMINATOR, _TABLE_L, _TABLE_M, _ROOT, _FIRST_FILE = 16, 16, 17, 18, 19, 20, 21
_NO_TIME = b"0" * 16 + b"\0"
_RECORDED = bytes([126, 1, 1, 0, 0, 0, 0])  # 2026-01-01: the same content is the same image


def image(label: str, files: Mapping[str, bytes]) -> bytes:
    """The image.

    Args:
        label: volume label, at most 32 of A-Z, 0-9 and _ (cloud-init looks for ``CIDATA``).
        files: name → content. Names are stored in upper case, and Linux shows them in lower case.
    """
    entries, data, sector = [], [], _FIRST_FILE
    for name, content in sorted(files.items()):
        entries.append(_record(f"{name.upper()};1".encode("ascii"), sector, len(content), directory=False))
        data.append(_padded(content))
        sector += len(data[-1]) // _SECTOR
    root = b"".join([_record(b"\0", _ROOT, _SECTOR), _record(b"\1", _ROOT, _SECTOR), *entries])
    if len(root) > _SECTOR:
        raise ValueError("too many files for one sector of directory")
    table = bytes([1, 0]) + struct.pack("<I", _ROOT) + struct.pack("<H", 1) + b"\0\0"
    swapped = bytes([1, 0]) + struct.pack(">I", _ROOT) + struct.pack(">H", 1) + b"\0\0"
    parts = [
        bytes(_SYSTEM_AREA * _SECTOR), _volume(label, sector, len(table)),
        _padded(b"\xffCD001\1"), _padded(table), _padded(swapped), _padded(root), *data,
    ]  # fmt: skip
    return b"".join(parts)


def _volume(label: str, sectors: int, table_bytes: int) -> bytes:
    head = b"\1CD001\1\0" + b" " * 32 + label.ljust(32).encode("ascii") + bytes(8) + _both(sectors, "I") + bytes(32)
    sizes = _both(1, "H") + _both(1, "H") + _both(_SECTOR, "H") + _both(table_bytes, "I")
    tables = struct.pack("<II", _TABLE_L, 0) + struct.pack(">II", _TABLE_M, 0)
    names = b" " * (4 * 128 + 3 * 37)
    return _padded(head + sizes + tables + _record(b"\0", _ROOT, _SECTOR) + names + _NO_TIME * 4 + b"\1\0")


def _record(name: bytes, sector: int, size_bytes: int, *, directory: bool = True) -> bytes:
    """A directory record; its length is even."""
    flags = 2 if directory else 0
    body = b"\0" + _both(sector, "I") + _both(size_bytes, "I") + _RECORDED + bytes([flags, 0, 0]) + _both(1, "H")
    body += bytes([len(name)]) + name
    body += b"\0" * ((len(body) + 1) % 2)
    return bytes([len(body) + 1]) + body


def _both(number: int, form: str) -> bytes:
    """A number in both byte orders."""
    return struct.pack(f"<{form}", number) + struct.pack(f">{form}", number)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _SECTOR)
