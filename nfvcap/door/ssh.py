# SPDX-License-Identifier: Apache-2.0
"""The ssh command for a host of the inventory, as plain words."""

from __future__ import annotations

import shlex

from nfvcap.door.command import CommandDoor
from nfvcap.errors import UsageError
from nfvcap.verify.connection import Connection

_CONNECT_TIMEOUT_S = 10


def host_door(host: str, connection: Connection) -> CommandDoor:
    """The way into a host.

    Raises:
        UsageError: NFV-GUEST-033 the inventory reaches the host in a way that plain ssh does not know.
    """
    root = ("sudo", "-n") if connection.options.get("sudo") else ()
    if connection.backend == "local":
        return CommandDoor(host, root)
    if connection.backend != "ssh":
        raise UsageError(
            "NFV-GUEST-033", f"{host} cannot be reached by plain ssh", connection.why,
            "give it an address, a user and a key in the inventory; for what cannot be said there use ~/.ssh/config",
        )  # fmt: skip
    return CommandDoor(host, (*ssh_words(connection), *root), shell=True)


def ssh_words(connection: Connection) -> tuple[str, ...]:
    """``ssh`` with its options and the address."""
    options = connection.options
    target, _, port = _split(connection.spec)
    words = ["ssh", *shlex.split(str(options.get("ssh_extra_args", ""))), "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S}"]
    if options.get("ssh_identity_file"):
        words += ["-i", str(options["ssh_identity_file"])]
    if options.get("controlpath"):
        words += ["-o", f"ControlPath={options['controlpath']}"]
    return (*words, *(["-p", port] if port else []), target)


def _split(spec: str) -> tuple[str, str, str]:
    """``root@[::1]:22`` → target for ssh, separator, port."""
    user, at, rest = spec.rpartition("@")
    if rest.startswith("["):
        address, _, behind = rest[1:].partition("]")
        return f"{user}{at}{address}", ":", behind.removeprefix(":")
    address, colon, port = rest.partition(":")
    return f"{user}{at}{address}", colon, port
