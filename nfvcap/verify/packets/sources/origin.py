# SPDX-License-Identifier: Apache-2.0
"""``--from``: where numbered frames come from, in one grammar for whoever sends some."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from nfvcap.door.command import CommandDoor
from nfvcap.errors import UsageError
from nfvcap.inventory import Inventory
from nfvcap.lab.access import DEFAULT_LAB, VARIABLE
from nfvcap.lab.topology import PORTS

HERE = "agent"


@dataclass(frozen=True)
class Origin:
    """A source that is named and not yet opened.

    Args:
        kind: the wire of a lab server, or the agent's generator at a port.
        what: name of the lab; the port as the agent spells it.
        door: the way to the machine whose port it is; None: this machine.
    """

    kind: Literal["lab", "agent"]
    what: str
    door: CommandDoor | None = None

    @property
    def label(self) -> Literal["functional", "performance"]:
        """What figures are worth that were measured with it."""
        return "functional" if self.kind == "lab" else "performance"

    def __str__(self) -> str:
        if self.kind == "lab":
            return f"wire of the lab server {self.what}"
        return f"agent generator at {self.what}" + (f" of {self.door.name}" if self.door else "")


def origin(words: str, inventory: Inventory) -> Origin:
    """Understand ``lab``, ``lab:NAME``, ``agent:PORT`` or ``HOST:PORT``; a bare interface is meant with AF_PACKET.

    Raises:
        UsageError: NFV-PKT-211 no such source; NFV-GUEST-033 the host is not reached by plain ssh.
    """
    kind, _, what = words.partition(":")
    if kind == "lab":
        return Origin("lab", what or os.environ.get(VARIABLE) or DEFAULT_LAB)
    if what and (kind == HERE or kind in inventory.hosts):
        from nfvcap.door.find import way_to_host

        port = what if ":" in what else f"af_packet:{what}"
        return Origin("agent", port, None if kind == HERE else way_to_host(kind, inventory)[0])
    raise UsageError(
        "NFV-PKT-211", f"there is no source {words!r}", "frames have to come from outside of whoever gets them",
        "lab or lab:NAME for the wire of a lab server; agent:PORT for a port of this machine, HOST:PORT for one of a "
        f"host of the inventory ({', '.join(inventory.hosts)}) that is cabled to it: an interface (ens5), or as the "
        "agent spells it (af_xdp:ens5, 0000:81:00.0)",
    )  # fmt: skip


def wire_to(pfs: Iterable[str]) -> int:
    """Number of the lab's port that these PFs are.

    Raises:
        UsageError: NFV-PKT-211 they are not one, or none of a lab.
    """
    ports, wanted = {port.address: port.index for port in PORTS}, set(pfs)
    if len(wanted) != 1 or not wanted <= ports.keys():
        raise UsageError(
            "NFV-PKT-211", f"no wire of a lab leads to {', '.join(sorted(wanted))}",
            f"ports of a lab server are {', '.join(ports)}; frames go through one of them at a time",
            "--from agent:PORT sends from a port of this machine that is cabled to the host, --from HOST:PORT from one "
            "of another host",
        )  # fmt: skip
    return ports[wanted.pop()]
