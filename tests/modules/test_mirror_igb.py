# SPDX-License-Identifier: Apache-2.0
"""Mirror rules on igb: the doubled address, pools of receive addresses, mirror rules of the card, and who may what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_mirror import BACKENDS, add_rule, backend, choose, remove_rules
from ansible.module_utils.nfvcap_mirror_rule import ALL, UPLINK, VF, Place, Refusal, Request
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_restore import restore_state

from tests.modules.mirrorhost import MACS, MirrorHost


@pytest.fixture
def igb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MirrorHost:
    host = MirrorHost(tmp_path, monkeypatch)
    host.igb_addresses()
    return host


def remove(host: MirrorHost, *rules: str) -> None:
    remove_rules(host.host, list(rules), None, Outcome(), check=False, who="bob")


def refused(host: MirrorHost, code: str, monitor: int, *sources: int, **more: object) -> Failure:
    before = host.everything()
    with pytest.raises(Failure) as caught:
        host.add(monitor, *sources, **more)  # type: ignore[arg-type]
    assert caught.value.code == code and caught.value.why and caught.value.fix
    assert host.everything() == before, "a refusal changes nothing"
    return caught.value


def test_backends_are_tried_in_the_documented_order() -> None:
    names = [one.name for one in BACKENDS]
    assert names == ["tc", "i40e", "igbmac", "poolselect", "rules", "software", "promisc"]


def test_the_monitor_gets_the_watched_address_and_its_own_one_back(igb: MirrorHost) -> None:
    outcome = igb.add(2, 0)
    assert igb.macs() == [MACS[0], MACS[1], MACS[0], MACS[3]]
    (rule,) = igb.rules()
    assert (rule.backend, rule.direction, rule.who, rule.until) == ("igbmac", "in", "alice", "")
    assert outcome.extra["offer"]["leaves_out"] and "Queue drop".lower() in outcome.extra["offer"]["isolation"]
    remove(igb, rule.rule_id)
    assert igb.macs() == list(MACS) and not igb.rules()


def test_asking_twice_changes_nothing(igb: MirrorHost) -> None:
    igb.add(2, 0)
    before = igb.everything()
    assert igb.add(2, 0).changes == []
    assert igb.everything() == before


def test_check_mode_tells_and_changes_nothing(igb: MirrorHost) -> None:
    before, outcome = igb.everything(), Outcome()
    add_rule(igb.host, igb.request(2, 0), outcome, True)
    assert igb.everything() == before and not igb.lines
    assert outcome.changes and "frames to 02:00:00:81:00:00" in outcome.extra["offer"]["copies"][0]


def test_ledger_and_journal_say_who_what_and_until_when(igb: MirrorHost) -> None:
    igb.add(2, 0, for_s=7200)
    entry = Ledger(igb.host).entry("mirror:m1")
    assert entry and entry["rule"]["who"] == "alice" and entry["rule"]["until"] > entry["recorded_at"]
    assert "MESSAGE=m1: alice adds: in of vm1 (vf0) to vm3 (vf2) on 0000:81:00.0 by igbmac, until 20" in igb.lines[0]
    assert "NFVCAP_WHO=alice" in igb.lines[0]
    remove(igb)
    assert "removed by bob (asked for)" in igb.lines[-1]
    assert {"NFVCAP_MIRROR=m1", "NFVCAP_WHO=bob", "NFVCAP_MADE_BY=alice"} <= set(igb.lines[-1].splitlines())
    ledger = Ledger(igb.host)
    assert not len(ledger)
    (ended,) = ledger.ended
    assert (ended["id"], ended["made_by"], ended["ended_by"]) == ("mirror:m1", "alice", "bob")
    assert ended["what"].startswith("in of vm1 (vf0) to vm3 (vf2)") and ended["why"] == "asked for"
    assert ended["made_at"] <= ended["ended_at"]
    assert ended["until"] == entry["rule"]["until"]


def test_a_rule_that_somebody_else_prolongs_says_so(igb: MirrorHost) -> None:
    igb.add(2, 0, for_s=60)
    add_rule(igb.host, igb.request(2, 0), Outcome(), False, who="carol")
    assert "NFVCAP_ACTION=renew\nNFVCAP_WHO=carol\nNFVCAP_MADE_BY=alice" in igb.lines[-1]


def test_without_a_journal_nothing_is_copied(igb: MirrorHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible.module_utils.nfvcap_journal._send", lambda *_: False)
    refused(igb, "NFV-MIRROR-005", 2, 0)
    assert igb.macs() == list(MACS) and not igb.rules()


def test_an_address_that_somebody_set_since_is_not_taken_back(igb: MirrorHost) -> None:
    igb.add(2, 0)
    igb.card.vfs[2]["address"] = "02:00:00:00:00:99"
    remove(igb)
    assert igb.macs()[2] == "02:00:00:00:00:99"


@pytest.mark.parametrize(
    ("monitor", "sources", "more", "code"),
    [
        (0, (0,), {}, "NFV-MIRROR-002"),
        (2, (7,), {}, "NFV-MIRROR-004"),
        (9, (0,), {}, "NFV-MIRROR-004"),
        (2, (0,), {"backend": "telepathy"}, "NFV-MIRROR-008"),
        (2, (0,), {"direction": "both"}, "NFV-MIRROR-001"),
        (2, (0,), {"direction": "out"}, "NFV-MIRROR-001"),
        (2, (0, 1), {}, "NFV-MIRROR-001"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    igb: MirrorHost, monitor: int, sources: tuple[int, ...], more: dict[str, str], code: str
) -> None:
    failure = refused(igb, code, monitor, *sources, **more)
    if code == "NFV-MIRROR-001":
        assert all(f"{name}: " in failure.why for name in ("tc", "i40e", "igbmac", "rules", "promisc"))


def test_one_watched_vf_per_address_several_monitors_per_watched_vf(igb: MirrorHost) -> None:
    igb.add(2, 0)
    igb.add(3, 0)
    assert igb.macs() == [MACS[0], MACS[1], MACS[0], MACS[0]]
    refused(igb, "NFV-MIRROR-001", 3, 1)
    refused(igb, "NFV-MIRROR-006", 3, 0, direction="in", backend="rules")
    refused(igb, "NFV-MIRROR-007", 1, 2)


def test_vlans_that_would_filter_the_copies_away_are_noticed(igb: MirrorHost) -> None:
    igb.card.vfs[0]["vlan_list"][0]["vlan"] = 100
    assert "VLAN 100" in refused(igb, "NFV-MIRROR-001", 2, 0).why


def test_a_watched_vf_without_an_address_is_refused(igb: MirrorHost) -> None:
    igb.card.vfs[0]["address"] = "00:00:00:00:00:00"
    assert "administrative address" in refused(igb, "NFV-MIRROR-001", 2, 0).why


def test_registers_need_consent_and_no_lockdown(igb: MirrorHost) -> None:
    assert "needs consent" in refused(igb, "NFV-MIRROR-001", 2, 0, 1).why
    igb.lockdown("integrity")
    assert "locked down (integrity)" in refused(igb, "NFV-MIRROR-001", 2, 0, 1, may_registers=True).why


def test_pools_are_added_to_receive_addresses_and_taken_out_again(igb: MirrorHost) -> None:
    igb.add(2, 0, 1, may_registers=True)
    assert [igb.rah_pools(index) for index in range(4)] == [0b0101, 0b0110, 0b0100, 0b1000]
    assert igb.rules()[0].backend == "poolselect" and igb.macs() == list(MACS)
    remove(igb)
    assert [igb.rah_pools(index) for index in range(4)] == [1, 2, 4, 8]


def test_all_means_every_vf_and_the_pf_itself(igb: MirrorHost) -> None:
    request = Request(igb.pf, Place(VF, 2), (Place(ALL),), direction="in", may_registers=True)
    add_rule(igb.host, request, Outcome(), False)
    assert [igb.rah_pools(index) for index in range(4)] == [0b0101, 0b0110, 0b0100, 0b1100]
    assert igb.read(0x5404) >> 18 & 0xFF == 0b10100


def test_all_by_receive_addresses_names_the_wider_choice(igb: MirrorHost) -> None:
    offer, _ = choose(igb.host, Request(igb.pf, Place(VF, 2), (Place(ALL),), may_registers=True), [])
    assert offer.backend == "poolselect" and "both directions of the cable" in offer.leaves_out[0]
    assert "--backend rules" in offer.leaves_out[0]
    offer, _ = choose(igb.host, igb.request(2, 0, 1, may_registers=True), [])
    assert "--backend rules" not in offer.leaves_out[0], "the card has no rule for what one VF sends"


@pytest.mark.parametrize("direction", ["", "in"])
def test_the_cable_is_not_taken_for_the_addresses_behind_it(igb: MirrorHost, direction: str) -> None:
    uplink = Request(igb.pf, Place(VF, 2), (Place(UPLINK),), direction, may_registers=True)
    offer, refusals = choose(igb.host, uplink, [])
    assert offer.backend == "rules" and offer.direction == (direction or "both")
    assert "not whether it crosses the cable" in {one.backend: one.why for one in refusals}["poolselect"]


def test_two_rules_that_share_an_entry_leave_each_other_alone(igb: MirrorHost) -> None:
    igb.add(2, 0, 1, may_registers=True)
    igb.add(3, 0, 1, may_registers=True)
    remove(igb, "m1")
    assert [igb.rah_pools(index) for index in range(2)] == [0b1001, 0b1010]


def test_mirror_rules_of_the_card_mask_before_control_and_only_ours(igb: MirrorHost) -> None:
    igb.poke(0x5D80, 0x301)  # rule 0 is somebody else's
    igb.poke(0x5DA0, 0x2)
    request = Request(igb.pf, Place(VF, 2), (Place(UPLINK),), "both", may_registers=True)
    add_rule(igb.host, request, Outcome(), False)
    assert (igb.read(0x5D84), igb.read(0x5DA4), igb.read(0x5D94)) == (2 << 8 | 2 | 4, 0, 0)
    remove(igb)
    assert (igb.read(0x5D80), igb.read(0x5DA0)) == (0x301, 0x2)
    assert (igb.read(0x5D84), igb.read(0x5DA4)) == (0, 0)


def test_a_fifth_rule_is_refused_also_when_the_card_has_forgotten_four(igb: MirrorHost) -> None:
    for monitor, source in ((2, 0), (3, 0), (2, 1), (3, 1)):
        igb.add(monitor, source, may_registers=True, backend="rules")
    igb.poke(0x5D80, 0)
    answer = backend("rules").probe(igb.host, igb.request(2, 0, 1, may_registers=True), igb.rules())
    assert isinstance(answer, Refusal) and "all 4 mirror rules" in answer.why


@pytest.mark.parametrize("kind", [ALL, UPLINK])
def test_a_whole_port_includes_its_monitors_so_they_would_be_watched(igb: MirrorHost, kind: str) -> None:
    igb.add(2, 0)
    whole = Request(igb.pf, Place(VF, 3), (Place(kind),), may_registers=True)
    with pytest.raises(Failure) as caught:
        add_rule(igb.host, whole, Outcome(), False)
    assert caught.value.code == "NFV-MIRROR-007" and "include every VF" in caught.value.why
    mine = replace(whole, monitor=Place(VF, 2, label="vm3"))
    assert choose(igb.host, mine, igb.rules()), "a monitor itself is not one of those that it watches"


@pytest.mark.parametrize("kind", [ALL, UPLINK])
def test_where_a_whole_port_is_watched_nobody_else_becomes_a_monitor(igb: MirrorHost, kind: str) -> None:
    add_rule(igb.host, Request(igb.pf, Place(VF, 2), (Place(kind),), may_registers=True), Outcome(), False)
    refused(igb, "NFV-MIRROR-007", 3, 0)
    assert igb.rules()[0].rule_id == "m1" and len(igb.rules()) == 1


def test_a_card_that_keeps_nothing_is_told_of(igb: MirrorHost, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.module_utils.nfvcap_bar import Bar

    monkeypatch.setattr(Bar, "write", lambda self, offset, value: value == 0)
    request = Request(igb.pf, Place(VF, 2), (Place(UPLINK),), "both", may_registers=True)
    with pytest.raises(Failure) as caught:
        add_rule(igb.host, request, Outcome(), False)
    assert caught.value.code == "NFV-MIRROR-011" and not igb.rules()


def test_rules_say_before_that_only_writing_tells_whether_a_card_has_them(igb: MirrorHost) -> None:
    offer, _ = choose(igb.host, igb.request(2, 0, may_registers=True, backend="rules"), [])
    assert any("only writing tells" in line and "NFV-MIRROR-011" in line for line in offer.effects)


def test_deprovision_takes_rules_away_first(igb: MirrorHost) -> None:
    igb.add(2, 0)
    restore_state(igb.host, False, Outcome(), False, "dora")
    assert any("removed by dora (the host is deprovisioned)" in line for line in igb.lines)
    assert igb.macs() == list(MACS) and not igb.rules()


def test_provision_leaves_a_lent_address_alone(igb: MirrorHost) -> None:
    from ansible.module_utils.nfvcap_sriov import PfWanted, set_pfs
    from ansible.module_utils.nfvcap_vfattr import VfWanted

    wanted = [PfWanted(igb.pf, 4, tuple(VfWanted(index, mac=mac) for index, mac in enumerate(MACS)))]
    igb.add(2, 0)
    outcome = Outcome()
    set_pfs(igb.host, wanted, [], outcome, False)
    assert not outcome.changes and igb.macs()[2] == MACS[0]
