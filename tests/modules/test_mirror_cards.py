# SPDX-License-Identifier: Apache-2.0
"""Mirror mechanisms of cards that no machine at hand has: against fakes made from documented files and output."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_command import Completed
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_mirror import add_rule, backend, remove_rules
from ansible.module_utils.nfvcap_mirror_rule import ALL, UPLINK, VF, Place, Request
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakeswitch import UPLINK as UPLINK_DEVICE
from tests.modules.fakeswitch import FakeSwitch, representor
from tests.modules.mirrorhost import MACS, MirrorHost

DIRECTIONS = {"in": "ingress_mirror", "out": "egress_mirror"}


def a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, device: str) -> MirrorHost:
    return MirrorHost(tmp_path, monkeypatch, driver, device)


def remove(host: MirrorHost) -> None:
    remove_rules(host.host, [], None, Outcome(), check=False)


def refusal(host: MirrorHost, monitor: int, *sources: int, **more: object) -> str:
    before = host.everything()
    with pytest.raises(Failure) as caught:
        host.add(monitor, *sources, **more)  # type: ignore[arg-type]
    assert caught.value.code == "NFV-MIRROR-001" and host.everything() == before
    return caught.value.why


# switchdev


@pytest.fixture
def ice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MirrorHost, FakeSwitch]:
    host = a_host(tmp_path, monkeypatch, "ice", "1592")
    return host, FakeSwitch(host.card)


@pytest.fixture
def mlx5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MirrorHost, FakeSwitch]:
    host = a_host(tmp_path, monkeypatch, "mlx5_core", "1017")
    return host, FakeSwitch(host.card)


def test_both_directions_are_two_filters_on_two_interfaces(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    host.add(2, 0, direction="both")
    assert host.rules()[0].direction == "both"
    assert switch.standing() == {
        (UPLINK_DEVICE, "ingress"): [(f"dst_mac {MACS[0]}", [("mirror", representor(2))])],
        (representor(0), "ingress"): [(f"src_mac {MACS[0]}", [("mirror", representor(2))])],
    }
    filters = [words for words in host.host.commands if words[:3] == ["tc", "filter", "add"]]
    assert filters and all("skip_sw" in words for words in filters)
    remove(host)
    assert not switch.standing() and not switch.clsact


def test_filters_and_hooks_of_others_stay(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    switch.clsact.add(representor(0))
    theirs = {"protocol": "ip", "pref": 40960, "kind": "flower", "chain": 0, "options": {"handle": 1, "actions": []}}
    switch.filters[representor(0), "ingress"] = [theirs]
    host.add(2, 0, direction="out")
    assert len(switch.filters[representor(0), "ingress"]) == 2
    remove(host)
    assert switch.filters[representor(0), "ingress"] == [theirs] and switch.clsact == {representor(0)}


def test_a_rule_that_is_not_in_the_card_does_not_count(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    switch.in_hw = False
    with pytest.raises(Failure) as caught:
        host.add(2, 0)
    assert caught.value.code == "NFV-MIRROR-011" and "in_hw" in caught.value.why
    assert not switch.standing() and not switch.clsact and not host.rules()


def test_a_driver_that_refuses_is_quoted_and_nothing_is_left(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    switch.offloads = False
    with pytest.raises(Failure) as caught:
        host.add(2, 0)
    assert caught.value.code == "NFV-MIRROR-011" and not switch.clsact and not host.rules()


def test_ice_copies_what_is_delivered_when_no_direction_is_asked_for(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    offer = host.add(2, 0, 1).extra["offer"]
    assert offer["direction"] == "in" and "the other direction: --direction both" in offer["leaves_out"]
    assert [match for match, _ in switch.standing()[UPLINK_DEVICE, "ingress"]] == [
        f"dst_mac {MACS[0]}", f"dst_mac {MACS[1]}",
    ]  # fmt: skip


@pytest.mark.parametrize("direction", ["", "in", "out", "both"])
@pytest.mark.parametrize("kind", [ALL, UPLINK])
def test_no_card_in_switchdev_mode_takes_a_filter_for_every_frame(
    ice: tuple[MirrorHost, FakeSwitch], kind: str, direction: str
) -> None:
    host, _ = ice
    before = host.everything()
    with pytest.raises(Failure) as caught:
        add_rule(host.host, Request(host.pf, Place(VF, 3), (Place(kind),), direction), Outcome(), check=True)
    assert caught.value.code == "NFV-MIRROR-001" and host.everything() == before
    assert "takes no filter that matches every frame" in caught.value.why
    assert "name the VFs" in caught.value.fix and "(tc)" in caught.value.fix


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_what_a_dry_run_accepts_the_card_takes(ice: tuple[MirrorHost, FakeSwitch], direction: str) -> None:
    host, switch = ice
    outcome = Outcome()
    add_rule(host.host, host.request(2, 0, 1, direction=direction), outcome, check=True)
    assert outcome.extra["offer"]["direction"] == direction and not switch.standing()
    host.add(2, 0, 1, direction=direction)
    assert not host.lacking("m1")


def test_legacy_mode_and_lost_representors_are_refused(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = ice
    switch.missing.add(2)
    assert "vf2 has no representor" in refusal(host, 2, 0)
    switch.mode = "legacy"
    assert "mode legacy, not switchdev" in refusal(host, 2, 0)


def test_mlx5_forwards_what_it_mirrors(mlx5: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = mlx5
    host.add(2, 0)
    assert host.rules()[0].direction == "in"
    assert switch.standing() == {
        (UPLINK_DEVICE, "ingress"): [(f"dst_mac {MACS[0]}", [("mirror", representor(2)), ("redirect", representor(0))])]
    }


def test_a_filter_that_somebody_changed_does_not_stand(mlx5: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = mlx5
    host.add(2, 0)
    assert not host.lacking("m1")
    options = switch.filters[UPLINK_DEVICE, "ingress"][0]["options"]
    options["keys"] = {"dst_mac": MACS[1]}
    assert host.lacking("m1") == [
        f"{UPLINK_DEVICE} ingress pref 40960: it matches dst_mac {MACS[1]}, not {MACS[0]}"
    ]  # fmt: skip
    options["keys"] = {"dst_mac": MACS[0]}
    options["actions"][1]["to_dev"] = representor(1)
    assert host.lacking("m1") == [
        f"{UPLINK_DEVICE} ingress pref 40960: it forwards to {representor(1)}, not to {representor(0)}"
    ]
    backend("tc").add(host.host, host.rules()[0])
    assert not host.lacking("m1"), "it was put anew"


def test_a_watched_vf_that_has_another_address_by_now_is_told(ice: tuple[MirrorHost, FakeSwitch]) -> None:
    host, _ = ice
    host.add(2, 0, direction="out")
    host.card.vfs[0]["address"] = "02:00:00:81:00:77"
    assert host.lacking("m1") == ["vf0 has another address by now: 02:00:00:81:00:77"]


def test_mlx5_does_not_take_frames_from_bystanders(mlx5: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = mlx5
    assert "also frames for other VFs" in refusal(host, 2, 0, direction="out")
    for index in (1, 3):
        host.card._destroy(index)
    host.add(2, 0, direction="out")
    assert switch.standing() == {
        (representor(0), "ingress"): [(f"src_mac {MACS[0]}", [("mirror", representor(2)), ("redirect", UPLINK_DEVICE)])]
    }


def test_mlx5_ports_that_open_vswitch_forwards_are_left_to_it(mlx5: tuple[MirrorHost, FakeSwitch]) -> None:
    host, switch = mlx5
    switch.filters[UPLINK_DEVICE, "ingress"] = [{"pref": 2, "kind": "flower", "options": {"handle": 1, "actions": []}}]
    assert "Open vSwitch" in refusal(host, 2, 0)


def test_nfp_is_taken_only_by_name_because_nobody_knows_whether_it_forwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = a_host(tmp_path, monkeypatch, "nfp", "6003")
    switch = FakeSwitch(host.card)
    why = refusal(host, 2, 0)
    assert "whether nfp still forwards the frames that it mirrors without a forward action is not known" in why
    offer = host.add(2, 0, backend="tc").extra["offer"]
    assert offer["direction"] == "in" and any("is not known" in line for line in offer["effects"])
    assert switch.standing() == {(UPLINK_DEVICE, "ingress"): [(f"dst_mac {MACS[0]}", [("mirror", representor(2))])]}
    host.add(3, 0, backend="tc", direction="out")
    remove(host)
    assert not switch.standing() and not switch.clsact


# i40e as Intel ships it


class I40e:
    """The driver's files: one rule per watched VF in either direction, `rem` must name who has it."""

    def __init__(self, host: MirrorHost) -> None:
        self.host, self.rules = host, dict[tuple[int, str], int]()
        for index in range(4):
            for name in DIRECTIONS.values():
                path = f"/sys/devices/pci0000:80/{host.pf}/net/{host.card.name}/device/sriov/{index}/{name}"
                host.host.plant(path, "\n")
                at = f"/sys/class/net/{host.card.name}/device/sriov/{index}/{name}"
                host.host.reactions[at] = lambda text, vf=index, way=name: self.take(vf, way, text)

    def take(self, vf: int, way: str, text: str) -> None:
        word, target = text.split()
        if word == "add":
            if any(watched == vf for watched, _ in self.rules) or int(target) == vf:
                raise PermissionError(1, "Operation not permitted")
            self.rules[vf, way] = int(target)
        elif self.rules.get((vf, way)) != int(target):
            raise OSError(22, "Invalid argument")
        else:
            del self.rules[vf, way]
        value = self.rules.get((vf, way))
        path = f"/sys/devices/pci0000:80/{self.host.pf}/net/{self.host.card.name}/device/sriov/{vf}/{way}"
        self.host.host.plant(path, "\n" if value is None else f"{value}\n")


@pytest.fixture
def i40e(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MirrorHost, I40e]:
    host = a_host(tmp_path, monkeypatch, "i40e", "1572")
    return host, I40e(host)


@pytest.mark.parametrize("direction", ["in", "out"])
def test_i40e_takes_one_direction_by_a_file(i40e: tuple[MirrorHost, I40e], direction: str) -> None:
    host, driver = i40e
    host.add(3, 0, 1, direction=direction)
    assert driver.rules == {(0, DIRECTIONS[direction]): 3, (1, DIRECTIONS[direction]): 3}
    remove(host)
    assert not driver.rules


def test_i40e_both_and_a_second_rule_are_refused_before_anything(i40e: tuple[MirrorHost, I40e]) -> None:
    host, driver = i40e
    assert "one rule per watched VF" in refusal(host, 3, 0, direction="both")
    host.add(3, 0, direction="out")
    assert "mirrored already: out to vf3" in refusal(host, 2, 0, direction="in")
    assert driver.rules == {(0, "egress_mirror"): 3}


def test_i40e_of_the_kernel_has_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = a_host(tmp_path, monkeypatch, "i40e", "1572")
    assert "the kernel's own driver, without mirror" in refusal(host, 3, 0)


# ixgbe


@pytest.fixture
def ixgbe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MirrorHost:
    host = a_host(tmp_path, monkeypatch, "ixgbe", "10fb")
    for index in range(4):
        host.poke(0x5404 + 8 * index, 1 << 31)
        host.poke(0xA600 + 8 * index, 1 << index)
    return host


def test_mpsar_selects_pools(ixgbe: MirrorHost) -> None:
    ixgbe.add(2, 0, 1, may_registers=True)
    assert [ixgbe.read(0xA600 + 8 * index) for index in range(4)] == [0b0101, 0b0110, 0b0100, 0b1000]
    remove(ixgbe)
    assert [ixgbe.read(0xA600 + 8 * index) for index in range(4)] == [1, 2, 4, 8]


def test_mrctl_has_masks_of_64_pools_and_no_rule_for_what_one_vf_sends(ixgbe: MirrorHost) -> None:
    ixgbe.add(2, 0, 3, may_registers=True, backend="rules")
    assert (ixgbe.read(0xF600), ixgbe.read(0xF630), ixgbe.read(0xF640)) == (2 << 8 | 1, 0b1001, 0)
    assert "no rule for what one VF sends" in refusal(ixgbe, 2, 1, may_registers=True, direction="out")
    remove(ixgbe)
    add_rule(ixgbe.host, Request(ixgbe.pf, Place(VF, 2), (Place(UPLINK),), "out", may_registers=True), Outcome(), False)
    assert ixgbe.read(0xF600) == 2 << 8 | 4


def test_the_82599_has_no_promiscuous_vfs(ixgbe: MirrorHost) -> None:
    assert "82599 refuses promiscuous VFs" in refusal(ixgbe, 2, 0, may_promisc=True)


# the last resort


def test_promiscuous_vf_needs_consent_says_who_is_seen_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = a_host(tmp_path, monkeypatch, "i40e", "1572")
    flags = {"vf-true-promisc-support": "off"}

    def ethtool(words: list[str]) -> Completed | str:
        if words[1] == "--set-priv-flags":
            flags[words[3]] = words[4]
        return "Private flags for enp129s0:\n" + "".join(f"{name:<25}: {value}\n" for name, value in flags.items())

    host.host.answers["ethtool"] = ethtool
    assert "not only of those named" in refusal(host, 2, 0)
    outcome = host.add(2, 0, may_promisc=True)
    assert "vf0, vf1, vf3" in outcome.extra["offer"]["copies"][0]
    assert host.card.vfs[2]["trust"] and flags["vf-true-promisc-support"] == "on"
    host.add(3, 0, may_promisc=True)
    remove_rules(host.host, ["m1"], None, Outcome(), check=False)
    assert host.card.vfs[3]["trust"] and flags["vf-true-promisc-support"] == "on", "the other rule still needs it"
    remove(host)
    assert not any(vf["trust"] for vf in host.card.vfs.values()) and flags["vf-true-promisc-support"] == "off"


@pytest.mark.parametrize(("driver", "device"), [("bnxt_en", "16d7"), ("mlx5_core", "1017"), ("e1000e", "10d3")])
def test_cards_that_can_do_nothing_are_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, device: str
) -> None:
    host = a_host(tmp_path, monkeypatch, driver, device)
    why = refusal(host, 2, 0, may_registers=True, may_promisc=True)
    assert all(f"{name}: " in why for name in ("tc", "i40e", "igbmac", "poolselect", "rules", "software", "promisc"))
