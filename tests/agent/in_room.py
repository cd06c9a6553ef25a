# SPDX-License-Identifier: Apache-2.0
"""The command line with a :class:`tests.agent.room.Room` for its guest: what Ansible and libvirt would say is given.

python -m tests.agent.in_room NAMESPACE DIRECTORY INTERFACE[=MAC],... verify host1 --guest vm1 ...
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nfvcap.agent.deploy
import nfvcap.cli.capture as everyday
import nfvcap.cli.verify_guest as verb
import nfvcap.door.find
from nfvcap.cli.main import main
from nfvcap.door.command import CommandDoor
from nfvcap.lab.wire import Wire
from nfvcap.model.facts import Facts
from nfvcap.model.result import HostResult, Result
from nfvcap.verify.packets.sources import named
from tests.agent.crossed import cross
from tests.agent.room import MAC
from tests.unit.attach.hosts import PORT1, plain, typed, vfs_of

GUEST = "vm1"


def facts() -> Facts:
    """The lab server, as the tests of attaching have it."""
    return typed(plain())


def seen(interfaces: str) -> dict[str, Any]:
    """What the module nfvcap_guest_info would say of the guest."""
    vfs, inside = [], []
    for number, words in enumerate(interfaces.split(",")):
        name, _, mac = words.partition("=")
        vfs.append({"address": vfs_of(plain(), PORT1)[number]["address"], "guest_address": f"0000:03:00.{number}",
                    "mac": mac or MAC, "interface": name})  # fmt: skip
        inside.append({"name": name, "mac": mac or MAC, "addresses": [], "pci": f"0000:03:00.{number}"})
    return {"name": GUEST, "state": "running", "vfs": vfs, "agent": True, "interfaces": inside}


def patch(namespace: str, directory: Path, interface: str) -> None:
    """Put the room where the lab would be."""
    door = CommandDoor(f"guest {GUEST}", ("ip", "netns", "exec", namespace))
    program = str(directory / "bin" / "nfvcap-agent")
    judged = HostResult(host="host1", environment={"hostname": "host1", "kernel": "6.12", "cpu": "x"}, checks=())

    @contextlib.contextmanager
    def way_to_guest(*_: object) -> Iterator[CommandDoor]:
        yield door

    class NoLab:
        def __init__(self, name: str) -> None:
            pass

        def wire(self, port: int) -> Wire:
            assert port == 1
            return Wire(directory / "port.wire", directory / "port.nic")

    deploy = nfvcap.agent.deploy.deploy
    replaced: list[tuple[Any, str, Any]] = [
        (verb, "_state", lambda fleet: Result(nfvcap_version="0", created_at="now", hosts=(judged,))),
        (verb, "_look", lambda fleet, host, names: (facts(), {GUEST: seen(interface)})),
        (verb, "_wire_is_there", lambda source, host: None),
        (nfvcap.door.find, "way_to_guest", way_to_guest),
        (nfvcap.door.find, "way_to_host", lambda *_: (CommandDoor("host1"), "python3")),
        (nfvcap.agent.deploy, "deploy", lambda door, source, *_: deploy(door, source, program)),
        (named, "Lab", NoLab),
        (everyday, "_ports_of", lambda guest, target, host: (f"af_packet:{interface}",)),
    ]
    for module, name, value in replaced:
        assert hasattr(module, name)
        setattr(module, name, value)


if __name__ == "__main__":
    patch(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    cross()
    main(sys.argv[4:])
