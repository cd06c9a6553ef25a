# SPDX-License-Identifier: Apache-2.0
"""A run that is killed between any two operations: run again, everything is as wanted; undone, everything is as it was.

Not a choice of moments but all of them: each write, rename, removal and command of the whole run, one after the other.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_restore import restore_state

from tests.modules.fakehost import Killed
from tests.modules.test_restore import Server


def undo(server: Server) -> None:
    restore_state(server.host, False, Outcome(), False)


def kill(server: Server, work: object, lives: int) -> bool:
    """Do ``work`` with so many operations to live; tells whether it was killed."""
    server.host.operations, server.host.lives = 0, lives
    try:
        work()  # type: ignore[operator]
    except Killed:
        return True
    finally:
        server.host.lives = None
    return False


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """How many operations provisioning and undoing take."""
    server = Server(tmp_path_factory.mktemp("measured"))
    server.provision()
    provisioning, server.host.operations = server.host.operations, 0
    undo(server)
    return provisioning, server.host.operations


def settled(server: Server) -> dict[str, object]:
    state = server.state()
    tree = state["tree"]
    assert isinstance(tree, dict)
    # When an original was recorded differs from run to run.
    state["tree"] = {name: text for name, text in tree.items() if name != "/var/lib/nfvcap/ledger.json"}
    return state


def test_provisioning(tmp_path: Path, measured: tuple[int, int]) -> None:
    reference = Server(tmp_path / "reference")
    before = reference.state()
    reference.provision()
    wanted = settled(reference)
    for lives in range(measured[0]):
        server = Server(tmp_path / str(lives))
        assert kill(server, server.provision, lives)
        server.provision()
        assert settled(server) == wanted, f"killed after {lives} operations"
        assert server.card.drivers() == reference.card.drivers()
        assert server.card.vfs == reference.card.vfs
        undo(server)
        assert server.state() == before, f"killed after {lives} operations, then undone"
        assert not server.host.exists("/var/lib/nfvcap")


def test_killed_while_provisioning_and_undone_at_once(tmp_path: Path, measured: tuple[int, int]) -> None:
    before = Server(tmp_path / "reference").state()
    for lives in range(measured[0]):
        server = Server(tmp_path / str(lives))
        assert kill(server, server.provision, lives)
        undo(server)
        assert server.state() == before, f"killed after {lives} operations"


def test_undoing(tmp_path: Path, measured: tuple[int, int]) -> None:
    before = Server(tmp_path / "reference").state()
    for lives in range(measured[1]):
        server = Server(tmp_path / str(lives))
        server.provision()
        assert kill(server, lambda made=server: undo(made), lives)
        undo(server)
        assert server.state() == before, f"killed after {lives} operations"
        assert not server.host.exists("/var/lib/nfvcap")
