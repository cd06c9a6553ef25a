# SPDX-License-Identifier: Apache-2.0
"""VFs of a PF that DPDK drives, as the agent starts them: each start receives, and a PF that does not answer is told.

Takes over: provisioned, nobody has VFs of the first port. Leaves: the same.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from nfvcap.agent.build import locate
from nfvcap.agent.deploy import deploy
from nfvcap.cli.matrix_room import room
from nfvcap.door.door import Door, must, shell
from nfvcap.door.find import way_to_host
from nfvcap.inventory import load
from nfvcap.lab import Lab
from nfvcap.lab.frames import build
from nfvcap.lab.topology import PORTS
from nfvcap.verify.packets.engines.dpdk_pf import UNIT, lent
from tests.lab.conftest import HOST, ProvisionedLab

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(900)]

NIC: Any = SimpleNamespace(address=PORTS[0].address, node=PORTS[0].node)
STARTS = 40


@contextmanager
def fed(lab: Lab, mac: str) -> Iterator[None]:
    """Fifty frames a second to an address, as long as the block."""
    ends = threading.Event()

    def feed() -> None:
        with lab.wire(0) as wire:
            while not ends.is_set():
                wire.send(build(mac, 0))
                wire.drain()
                time.sleep(0.02)

    sender = threading.Thread(target=feed)
    sender.start()
    try:
        yield
    finally:
        ends.set()
        sender.join()


def capture(door: Door, program: str, port: str) -> tuple[int, str]:
    """Two seconds from the start on: how many frames came, and what the agent said."""
    words = f"{program} capture --port {port} --count-only --duration 2s --quiet --json --no-promiscuous"
    done = shell(door, f"{words} --idle-sleep 1ms", timeout_s=120)
    assert done.ok, done.stderr
    return int(json.loads(done.stdout)["total"]["received"]), done.stderr


def test_each_start_receives_and_a_pf_that_does_not_answer_is_told(provisioned_lab: ProvisionedLab) -> None:
    """Each time with an address of its own: with that of the start before, a VF that said nothing would receive too."""
    lab = provisioned_lab.lab
    door, _ = way_to_host(HOST, load([provisioned_lab.inventory]))
    with room(door) as place:
        program = deploy(door, locate(), place).program
        with lent(door, NIC, 2, program, 900) as here:
            port = f"{here.vfs[0]},vf-token={here.token}"
            got = []
            for number in range(STARTS):
                mac = f"02:00:00:99:00:{number:02x}"
                with fed(lab, mac):
                    got.append(capture(door, program, f"{port},mac={mac}")[0])
            print(f"\nframes in two seconds of {STARTS} starts: {sorted(got)}")
            assert min(got) > 50
            must(shell(door, f"systemctl kill -s STOP {UNIT}"), door)
            received, said = capture(door, program, f"{port},mac=02:00:00:99:01:00")
            must(shell(door, f"systemctl kill -s CONT {UNIT}"), door)
            assert received == 0 and "its PF does not answer" in said and "started 5 times" in said
    assert here.given_back == ""
