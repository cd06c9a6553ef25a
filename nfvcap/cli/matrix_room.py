# SPDX-License-Identifier: Apache-2.0
"""Where the matrix puts the agent on a host: a directory of its own, as long as the cells are measured."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from nfvcap.door.door import Door, must, shell
from nfvcap.verify.packets.points.guest import NAME, sweep

_PARENT = "/var/tmp"


@contextmanager
def room(door: Door) -> Iterator[str]:
    """Where the agent goes; what runs that were killed have left goes first, and this one when the block is left.

    Raises:
        NfvcapError: NFV-GUEST-030 to -032 the way or the file system.
    """
    sweep(door, _PARENT)
    place = f"{_PARENT}/{NAME}{secrets.token_hex(4)}"
    try:
        must(shell(door, 'umask 077; mkdir "$1"', place), door)
        yield f"{place}/nfvcap-agent"
    finally:
        shell(door, 'rm -rf "$1"', place)
