# SPDX-License-Identifier: Apache-2.0
"""Which way leads to a host or a guest: ssh as the inventory has it, else the guest agent that its host holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nfvcap.door.channel import ChannelDoor, server_words
from nfvcap.door.command import CommandDoor
from nfvcap.door.door import Door
from nfvcap.door.ssh import host_door
from nfvcap.inventory import Inventory
from nfvcap.verify.connection import resolve, shared_dir

HERE = ("localhost", "127.0.0.1")


def way_to_host(host: str, inventory: Inventory) -> tuple[CommandDoor, str]:
    """The way to a host of the inventory, and its Python.

    Raises:
        UsageError: NFV-GUEST-033 plain ssh does not do what the inventory says.
    """
    connection = resolve(host, inventory.connection(host), dict(os.environ), shared_dir())
    return host_door(host, connection), connection.python


@contextmanager
def way_to_guest(guest: str, host: str, inventory: Inventory) -> Iterator[Door]:
    """The way to a guest, open as long as the block.

    A guest that is a host of the inventory as well is reached as that one is, which is faster. Else its own agent is
    asked through the host, which needs neither network nor login in the guest.

    Raises:
        NfvcapError: NFV-GUEST-010 its agent does not answer, -032 its host cannot be reached, -033 as above.
    """
    if guest in inventory.hosts:
        yield way_to_host(guest, inventory)[0]
        return
    door, python = way_to_host(host, inventory)
    with ChannelDoor(guest, server_words(door, guest, python), host) as channel:
        yield channel
