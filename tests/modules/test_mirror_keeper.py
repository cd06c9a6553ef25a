# SPDX-License-Identifier: Apache-2.0
"""The keeper: what a reset took away is set again and counted, what is over ends, what cannot be set is waited for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from ansible.module_utils import nfvcap_journal, nfvcap_keeper
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_keeper import Keeper, keeper_state
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_lock import HostLock
from ansible.module_utils.nfvcap_mirror import standing
from ansible.module_utils.nfvcap_netevents import Event, NetEvents

from tests.modules.fakecard import PCI
from tests.modules.mirrorhost import MACS, MirrorHost

RESET = [Event("a card was reset", True)]
TOUCHED = [Event("somebody set an attribute", False)]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MirrorHost:
    found = MirrorHost(tmp_path, monkeypatch)
    found.igb_addresses()
    return found


def repairs(host: MirrorHost, rule: str = "m1") -> int:
    return int(keeper_state(host.host)["rules"][rule]["repairs"])


def commands(host: MirrorHost) -> int:
    return len([words for words in host.host.commands if "vf" in words])


def test_a_pool_bit_that_a_reset_took_is_set_again_without_any_event(host: MirrorHost) -> None:
    host.add(2, 0, 1, may_registers=True)
    keeper = Keeper(host.host)
    due_s = keeper.look(0.0, [])
    assert repairs(host) == 0 and 0 < due_s <= 0.2
    host.igb_addresses()  # the driver writes its entries anew
    keeper.look(due_s, [])
    assert host.rah_pools(0) == 0b0101 and repairs(host) == 1
    assert "set again (receive address 22 does not select pool 2; receive address 23" in host.lines[-1]
    keeper.look(due_s + 0.2, [])
    assert repairs(host) == 1


def test_who_waits_for_a_rule_sees_the_keeper_at_work(host: MirrorHost) -> None:
    host.add(2, 0)
    assert standing(host.host, [], 0) and standing(host.host, ["m1"], 0)
    host.card.vfs[2]["address"] = MACS[2]  # what igbvf does when a listener goes
    assert not standing(host.host, ["m1"], 0.1)
    assert standing(host.host, ["m9"], 0), "others are not waited for"
    host.host.on_sleep = lambda now_s: Keeper(host.host).look(now_s, TOUCHED) and None
    assert standing(host.host, ["m1"], 20) and repairs(host) == 1


def test_a_lent_address_is_set_again_after_each_reset_though_it_reads_as_set(host: MirrorHost) -> None:
    host.add(2, 0)
    keeper = Keeper(host.host)
    keeper.look(0.0, [])
    before = commands(host)
    keeper.look(0.1, TOUCHED)
    assert commands(host) == before, "what the keeper sets makes an event, which must not make it set again"
    keeper.look(0.2, RESET)
    assert commands(host) == before + 1 and repairs(host) == 0
    host.card.vfs[2]["address"] = MACS[2]
    keeper.look(0.3, TOUCHED)
    assert host.macs()[2] == MACS[0] and repairs(host) == 1


def test_a_rule_that_cannot_be_set_now_is_said_once_and_tried_again(host: MirrorHost) -> None:
    host.add(2, 0)
    keeper = Keeper(host.host)
    host.host.write(f"{PCI}/{host.pf}/sriov_numvfs", "0")
    lines = len(host.lines)
    for second in range(3):
        keeper.look(float(second) * 10, RESET)
    assert len(host.lines) == lines + 1 and "waits: vm3 (vf2) does not exist" in host.lines[-1]
    assert "does not exist" in keeper_state(host.host)["rules"]["m1"]["waiting"]
    host.host.write(f"{PCI}/{host.pf}/sriov_numvfs", "4")
    host.card.vfs[0]["address"] = MACS[0]
    keeper.look(40.0, RESET)
    assert host.macs()[2] == MACS[0] and keeper_state(host.host)["rules"]["m1"]["waiting"] == ""


@pytest.mark.parametrize("mechanism", ["igbmac", "poolselect"])
def test_a_driver_reload_is_waited_out_until_the_vfs_are_made_again(host: MirrorHost, mechanism: str) -> None:
    host.add(2, 0, may_registers=True, backend=mechanism)
    keeper = Keeper(host.host)
    keeper.look(0.0, [])
    lines = len(host.lines)
    host.unload_driver()
    keeper.look(10.0, [Event("interface 3 is gone", True)])
    keeper.look(20.0, [])
    host.load_driver()
    keeper.look(30.0, [Event("add enp129s0", True)])
    keeper.look(40.0, [])
    # The driver is back, without VFs: making them is not the keeper's business.
    assert host.card.numvfs_writes() == ["4", "0"] and "waits: vm3 (vf2) does not exist" in host.lines[lines]
    assert repairs(host) == 0 and "does not exist" in keeper_state(host.host)["rules"]["m1"]["waiting"]
    host.make_vfs()
    host.igb_addresses()
    keeper.look(50.0, [Event("add 0000:81:10.4", True)])
    assert host.rules()[0].backend == mechanism and not host.lacking("m1")
    assert repairs(host) == 1 and keeper_state(host.host)["rules"]["m1"]["waiting"] == ""
    assert "set again" in host.lines[-1] and "after: add 0000:81:10.4" in host.lines[-1]
    assert len(host.lines) == lines + 2, "waiting is said once, mending once"
    keeper.look(60.0, [])
    assert repairs(host) == 1


def test_a_rule_ends_when_its_time_is_over(host: MirrorHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.add(2, 0, for_s=3600)
    host.add(3, 0)
    keeper = Keeper(host.host)
    keeper.look(0.0, [])
    assert len(host.rules()) == 2
    monkeypatch.setattr(nfvcap_keeper, "_stamp", lambda: "2999-01-01T00:00:00Z")
    keeper.look(1.0, [])
    assert [rule.rule_id for rule in host.rules()] == ["m2"] and host.macs()[2] == MACS[2]
    assert any("removed by nfvcap-mirror (its time is over)" in line for line in host.lines)
    (ended,) = Ledger(host.host).ended
    assert (ended["made_by"], ended["ended_by"]) == ("alice", "nfvcap-mirror")


def test_the_keeper_stays_out_while_somebody_else_changes_the_host(host: MirrorHost) -> None:
    host.add(2, 0, 1, may_registers=True)
    keeper = Keeper(host.host)
    host.igb_addresses()
    with HostLock(host.host, "somebody"):
        keeper.look(0.0, RESET)
    assert host.rah_pools(0) == 0b0001 and "another nfvcap" in keeper_state(host.host)["rules"]["m1"]["waiting"]
    keeper.look(1.0, [])
    assert host.rah_pools(0) == 0b0101 and repairs(host) == 1


def test_a_rule_that_is_just_taken_away_is_not_set_again(host: MirrorHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.add(2, 0, 1, may_registers=True)
    keeper = Keeper(host.host)
    keeper.load()
    host.igb_addresses()
    monkeypatch.setattr(nfvcap_keeper, "rules_of", lambda ledger: [])  # gone between the look and the lock
    keeper._check(host.rules()[0], RESET)
    assert host.rah_pools(0) == 0b0001


def test_counts_outlive_the_keeper(host: MirrorHost) -> None:
    host.add(2, 0, 1, may_registers=True)
    Keeper(host.host).look(0.0, RESET)
    host.igb_addresses()
    Keeper(host.host).look(0.0, RESET)
    Keeper(host.host).look(0.0, RESET)
    assert repairs(host) == 1
    assert json.loads(host.host.read(nfvcap_keeper.STATE) or "")["schema"] == "nfvcap/mirror-state/1"


def test_journald_gets_fields_and_one_line() -> None:
    # Paths of UNIX sockets are short, those of pytest's directories are not.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder, "run/systemd/journal").mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.bind(f"{folder}/run/systemd/journal/socket")
            assert nfvcap_journal.journal(Host(folder), "two\nlines", NFVCAP_MIRROR="m1")
            assert door.recv(4096).decode().splitlines() == [
                "MESSAGE=two lines", "PRIORITY=5", "SYSLOG_IDENTIFIER=nfvcap-mirror", "NFVCAP_MIRROR=m1",
            ]  # fmt: skip
    assert not nfvcap_journal.journal(Host("/nonexistent"), "nobody")


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_real_events_of_interfaces_tell_resets_from_touches() -> None:
    script = """
import subprocess, sys, time
sys.path.insert(0, sys.argv[1])
import tests.fixtures
from ansible.module_utils.nfvcap_netevents import NetEvents
ip = lambda *words: subprocess.run(["ip", *words], check=True)
with NetEvents() as events:
    ip("link", "add", "wa", "type", "veth", "peer", "name", "wb")
    ip("link", "set", "wa", "up")
    events.wait(2.0)
    ip("link", "set", "wb", "up")
    print("up", any(event.is_reset for event in events.wait(2.0)))
    while events.wait(0.3): pass
    ip("link", "set", "wa", "alias", "something")
    print("touch", [event.is_reset for event in events.wait(2.0)])
    ip("link", "del", "wa")
    print("gone", any(event.is_reset for event in events.wait(2.0)))
    print("quiet", [] == (time.sleep(0.5), events.wait(0.1), events.wait(0.1))[2])
"""
    top = str(Path(__file__).resolve().parents[2])
    import sys

    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", script, top], capture_output=True, text=True, check=False, cwd=top
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said == {"up": "True", "touch": "[False]", "gone": "True", "quiet": "True"}


def test_waiting_for_events_ends_in_time() -> None:
    with NetEvents() as events:
        begin = time.monotonic()
        events.wait(0.05)
        assert time.monotonic() - begin < 5
