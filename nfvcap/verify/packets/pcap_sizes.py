# SPDX-License-Identifier: Apache-2.0
"""Sizes of the frames of a file that is to be replayed."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

from nfvcap.errors import UsageError

_MAGICS = {0xA1B2C3D4: "<", 0xA1B23C4D: "<", 0xD4C3B2A1: ">", 0x4D3CB2A1: ">"}
_FCS_BYTES = 4
_SHORTEST_BYTES = 60
_LIMIT = 1_000_000  # a mean over the first million is the mean


def frame_sizes(path: Path) -> Counter[int]:
    """Size with frame check sequence → frames, of (the first million frames of) a pcap file.

    Raises:
        UsageError: NFV-PKT-202 it is no pcap file, or has no frame.
    """
    sizes: Counter[int] = Counter()
    with path.open("rb") as file:
        head = file.read(24)
        order = _MAGICS.get(int.from_bytes(head[:4], "little")) if len(head) == 24 else None
        if order is None:
            raise UsageError(
                "NFV-PKT-202", f"{path} cannot be replayed", "it is no pcap file",
                f"convert it: editcap -F pcap {path} converted.pcap",
            )  # fmt: skip
        record = struct.Struct(f"{order}IIII")
        while sum(sizes.values()) < _LIMIT and len(words := file.read(16)) == 16:
            _, _, captured, _ = record.unpack(words)
            file.seek(captured, 1)
            sizes[max(captured, _SHORTEST_BYTES) + _FCS_BYTES] += 1
    if not sizes:
        raise UsageError("NFV-PKT-202", f"{path} cannot be replayed", "there is no frame in it", "give another file")
    return sizes
