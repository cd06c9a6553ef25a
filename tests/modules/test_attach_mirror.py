# SPDX-License-Identifier: Apache-2.0
"""Attachments with a mirror rule: wholly or not at all, and no rule outlives the VF's time with its guest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import nfvcap_journal
from ansible.module_utils.nfvcap_attachsettle import settle
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_mirror import add_rule, rules_of
from ansible.module_utils.nfvcap_mirror_rule import VF, Place, Request, Rule
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakehost import Killed
from tests.modules.test_attach import MAC, Bench

WATCHED_MAC = "02:aa:00:00:00:00"
WISH: dict[str, Any] = {
    "sources": [{"kind": "vf", "index": 0, "label": "vm2"}], "direction": "", "backend": "", "may_registers": False,
    "may_promisc": False, "for_s": 0,
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    found = Bench(tmp_path, monkeypatch)
    found.card._set(["vf", "0", "mac", WATCHED_MAC])
    monkeypatch.setattr(nfvcap_journal, "_send", lambda *_: True)
    return found


def rules(bench: Bench) -> list[Rule]:
    return rules_of(Ledger(bench.host))


def mac(bench: Bench) -> str:
    return str(bench.card.vfs[1]["address"])


def test_copies_come_with_the_vf_and_go_with_it(bench: Bench) -> None:
    before = bench.state()
    outcome = bench.attach(wanted={"vlan": 0}, mirror=WISH)
    (rule,) = rules(bench)
    assert (rule.monitor.label, rule.sources[0].label, rule.who) == ("vm1", "vm2", "someone@somewhere")
    assert mac(bench) == WATCHED_MAC and outcome.extra["nfvcap_attached"]["mirror"]["rule"]["rule_id"] == "m1"
    assert any(change["id"] == "mirror:m1" for change in outcome.changes)
    assert any("m1 was removed" in note for note in bench.detach().notes)
    assert not rules(bench) and bench.state() == before


def test_who_detaches_is_who_removes(bench: Bench) -> None:
    bench.attach(wanted={"vlan": 0}, mirror=WISH)
    bench.detach(by="bob@laptop")
    (ended,) = Ledger(bench.host).ended
    assert (ended["made_by"], ended["ended_by"]) == ("someone@somewhere", "bob@laptop")
    assert "detached from vm1" in ended["why"]


def test_a_detach_that_another_completes_is_in_the_name_of_who_began_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.attach(wanted={"vlan": 0}, mirror=WISH)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(bench.host, "lives", bench.host.operations + 3)
        bench.detach(by="bob@laptop")
    assert rules(bench)
    outcome = Outcome()
    settle(bench.host, outcome)
    assert "interrupted detach" in outcome.notes[0] and "by bob@laptop" in outcome.notes[0]
    assert [one["ended_by"] for one in Ledger(bench.host).ended] == ["bob@laptop"]


def test_a_rule_of_a_guest_that_stopped_by_itself_was_removed_by_nobody(bench: Bench) -> None:
    bench.attach(wanted={"vlan": 0}, config=False, mirror=WISH)
    bench.virt.stop()
    settle(bench.host, Outcome())
    assert [one["ended_by"] for one in Ledger(bench.host).ended] == ["nfvcap"]


def test_rules_that_came_later_go_as_well(bench: Bench) -> None:
    before = bench.state()
    bench.attach(wanted={"vlan": 0})
    assert mac(bench) == MAC
    add_rule(bench.host, Request(bench.card.address, Place(VF, 1), (Place(VF, 0),)), Outcome(), False)
    bench.detach()
    assert not rules(bench) and bench.state() == before


def test_a_guest_that_leaves_is_no_longer_watched(bench: Bench) -> None:
    bench.attach(wanted={"vlan": 0})
    add_rule(bench.host, Request(bench.card.address, Place(VF, 0), (Place(VF, 1),)), Outcome(), False)
    bench.detach()
    assert not rules(bench) and bench.card.vfs[0]["address"] == WATCHED_MAC


def test_a_rule_that_no_card_carries_out_is_refused_before_anything(bench: Bench) -> None:
    before = bench.state()
    for check in (True, False):
        with pytest.raises(Failure) as caught:
            bench.attach(check, mirror={**WISH, "direction": "both"})
        assert caught.value.code == "NFV-MIRROR-001"
        assert bench.state() == before and not len(Ledger(bench.host))


def test_the_vlan_that_the_vf_is_about_to_get_counts(bench: Bench) -> None:
    with pytest.raises(Failure, match="nothing on this host can copy"):
        bench.attach(mirror=WISH)  # VLAN 100, and the watched VF has none
    bench.card._set(["vf", "0", "vlan", "100"])
    bench.attach(mirror=WISH)
    assert len(rules(bench)) == 1


def test_a_rule_that_fails_undoes_the_attachment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.state()
    monkeypatch.setattr(nfvcap_journal, "_send", lambda *_: False)
    with pytest.raises(Failure) as caught:
        bench.attach(wanted={"vlan": 0}, mirror=WISH)
    assert caught.value.code == "NFV-MIRROR-005" and "was undone" in caught.value.why
    assert bench.state() == before and not len(Ledger(bench.host))


def test_a_guest_that_keeps_its_vf_keeps_its_copies(bench: Bench) -> None:
    bench.attach(wanted={"vlan": 0}, mirror=WISH)
    bench.virt.refuses = True
    with pytest.raises(Failure, match="does not release"):
        bench.detach()
    (rule,) = rules(bench)
    assert rule.rule_id == "m1" and mac(bench) == WATCHED_MAC
    bench.virt.refuses = False
    bench.detach()
    assert not rules(bench)


def test_rules_of_others_come_back_when_the_guest_keeps_its_vf(bench: Bench) -> None:
    bench.attach(wanted={"vlan": 0})
    request = Request(bench.card.address, Place(VF, 1), (Place(VF, 0),))
    add_rule(bench.host, request, Outcome(), False, who="alice", for_s=3600)
    (before,) = rules(bench)
    bench.virt.refuses = True
    with pytest.raises(Failure, match="does not release"):
        bench.detach()
    assert rules(bench) == [before]
