# SPDX-License-Identifier: Apache-2.0
"""A VF goes to a guest and comes back: wholly, or everything is exactly as it was."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.nfvcap_attach import Request, attach, detach
from ansible.module_utils.nfvcap_attachsettle import settle
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_restore import restore_state
from ansible.module_utils.nfvcap_sriov import PfWanted, set_pfs
from ansible.module_utils.nfvcap_vfattr import VfWanted

from tests.modules.fakecard import PCI, FakeCard, card
from tests.modules.fakelibvirt import DEFINED, UUID, FakeLibvirt

MAC = "02:00:00:81:00:33"
WANTED = {"vlan": 100, "qos": 3, "trust": True, "spoofchk": False, "max_tx_rate_mbps": 200}


class Bench:
    """A host with a card of two VFs and a running guest."""

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.card: FakeCard = card(tree)
        self.host = self.card.host
        self.card._numvfs("2")
        self.card._set(["up"])
        self.card._set(["vf", "1", "mac", "02:aa:00:00:00:01", "vlan", "7", "qos", "2", "max_tx_rate", "100"])
        self.virt = FakeLibvirt(self.card).install(monkeypatch)
        self.virt.define()
        self.host.writes.clear()

    def request(self, **other: Any) -> Request:
        usual: dict[str, Any] = {
            "guest": "vm1", "uuid": UUID, "pf": self.card.address, "index": 1, "address": self.card.vf(1), "mac": MAC,
            "wanted": dict(WANTED), "live": True, "config": True, "by": "someone@somewhere", "timeout_s": 30.0,
        }  # fmt: skip
        return Request(**{**usual, **other})

    def attach(self, check: bool = False, **other: Any) -> Outcome:
        outcome = Outcome()
        attach(self.host, self.request(**other), outcome, check)
        return outcome

    def detach(self, vf: str = "", **other: Any) -> Outcome:
        outcome = Outcome()
        detach(self.host, "vm1", vf, outcome, False, timeout_s=30.0, **other)
        return outcome

    def state(self) -> tuple[dict[str, str], str]:
        """Everything but an empty ledger and what comes by looking."""
        ignored = ("/var", "/run/libvirt/hostdevmgr", "/run/lock/nfvcap.lock")
        tree = {name: text for name, text in self.host.tree().items() if not name.startswith(ignored)}
        return tree, json.dumps(self.card.vfs, sort_keys=True)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_there_and_back(bench: Bench) -> None:
    before = bench.state()
    outcome = bench.attach()
    assert bench.card.vfs[1]["address"] == MAC and bench.card.drivers()[1] == "vfio-pci"
    # libvirt has put the priority of the VLAN to 0; it was set again.
    assert bench.card.vfs[1]["vlan_list"] == [{"vlan": 100, "qos": 3}] and bench.card.vfs[1]["trust"] is True
    attached = outcome.extra["nfvcap_attached"]
    assert attached["sight"] == {
        "channel": "QEMU guest agent", "name": "eth1", "address": "0000:02:00.0", "driver": None,
    }  # fmt: skip
    assert attached["guest_bus_address"] == "0000:02:00.0"
    assert Ledger(bench.host).entry(f"attach:{bench.card.address}:1")["state"] == "attached"  # type: ignore[index]
    bench.detach()
    assert bench.state() == before
    assert not len(Ledger(bench.host)) and bench.host.listdir("/var/lib/nfvcap") == ["ledger.json"]
    assert bench.virt.open_connections == 0 and not bench.virt.callbacks


def test_connection_that_libvirtd_ended_meanwhile_is_opened_anew(bench: Bench) -> None:
    answer = bench.host.answers["ip"]

    def slow(words: list[str]) -> Any:
        bench.virt.dropped = "set" in words
        return answer(words)

    bench.host.answers["ip"] = slow
    assert bench.attach().extra["nfvcap_attached"]["sight"]
    bench.detach()
    assert bench.virt.open_connections == 0 and not len(Ledger(bench.host))


def test_check_mode_foretells_and_touches_nothing(bench: Bench) -> None:
    before = bench.host.tree()
    foretold = bench.attach(check=True)
    assert bench.host.tree() == before
    assert bench.attach().changes == foretold.changes
    assert [change["id"].rsplit(":", 1)[1] for change in foretold.changes] == [
        "mac", "vlan", "qos", "trust", "spoofchk", "max_tx_rate_mbps", "config", "driver", "live",
    ]  # fmt: skip


def test_guest_that_is_off_gets_it_at_its_next_start(bench: Bench) -> None:
    bench.virt.stop()
    before = bench.state()
    bench.attach(live=False)
    assert bench.card.drivers()[1] == "igbvf" and "ua-nfvcap" in (bench.host.read(f"{DEFINED}/vm1.xml") or "")
    bench.detach()
    assert bench.state() == before


def test_definition_that_grew_a_controller_shrinks_again(bench: Bench) -> None:
    bench.virt.define(running=False, ports=1)
    bench.host.unlink("/run/libvirt/qemu/vm1.xml")
    before = bench.state()
    bench.attach(live=False)
    assert 'index="2"' in (bench.host.read(f"{DEFINED}/vm1.xml") or "")
    bench.detach()
    assert bench.state() == before


def test_definition_that_others_changed_meanwhile_keeps_their_change(bench: Bench) -> None:
    bench.attach()
    path = f"{DEFINED}/vm1.xml"
    bench.host.plant(path, (bench.host.read(path) or "").replace("<vcpu>1<", "<vcpu>2<"))
    outcome = bench.detach()
    text = bench.host.read(path) or ""
    assert "<vcpu>2<" in text and "ua-nfvcap" not in text
    assert "changed by somebody else" in outcome.notes[0]


@pytest.mark.parametrize(
    ("operation", "where"),
    [("attach", "config"), ("attached", "config"), ("attach", "live"), ("attached", "live")],
)
def test_a_refusal_of_libvirt_leaves_everything_as_it_was(bench: Bench, operation: str, where: str) -> None:
    before = bench.state()
    bench.virt.faults[operation, where] = "it says no"
    with pytest.raises(Failure) as caught:
        bench.attach()
    assert caught.value.code == "NFV-ATTACH-010" and "it says no" in caught.value.why
    assert "was undone" in caught.value.why
    assert bench.state() == before and not len(Ledger(bench.host))


@pytest.mark.parametrize("word", ["mac", "vlan", "trust", "spoofchk", "max_tx_rate"])
def test_a_refused_attribute_leaves_everything_as_it_was(bench: Bench, word: str) -> None:
    before = bench.state()
    original, answer = bench.card.refuses, bench.host.answers["ip"]
    refused = []

    def once(words: list[str]) -> Any:
        # The driver refuses the first time only: the way back uses the same words.
        bench.card.refuses = (word,) if word in words and not refused else original
        refused.extend([word] if word in words else [])
        return answer(words)

    bench.host.answers["ip"] = once
    with pytest.raises(Failure) as caught:
        bench.attach()
    assert caught.value.code == "NFV-VF-002"
    assert bench.state() == before and not len(Ledger(bench.host))


def test_guest_that_does_not_see_the_device_does_not_get_it(bench: Bench) -> None:
    before = bench.state()
    bench.virt.blind = True
    with pytest.raises(Failure) as caught:
        bench.attach()
    assert caught.value.code == "NFV-ATTACH-013" and "QEMU guest agent" in caught.value.why
    assert bench.state() == before and not len(Ledger(bench.host))


def test_guest_without_any_channel_is_said_to_be_unconfirmed(bench: Bench) -> None:
    bench.virt.agent = False
    outcome = bench.attach()
    assert outcome.extra["nfvcap_attached"]["sight"] is None and "nobody in vm1" in outcome.notes[0]


def test_device_whose_driver_in_the_guest_makes_no_interface(bench: Bench) -> None:
    bench.virt.netless = True
    sight = bench.attach().extra["nfvcap_attached"]["sight"]
    assert (sight["name"], sight["address"], sight["driver"]) == (None, "0000:02:00.0", "igbvf")


def test_guest_that_does_not_answer_keeps_its_vf_wholly(bench: Bench) -> None:
    bench.attach()
    attached, bench.virt.silent = bench.state(), True
    with pytest.raises(Failure) as caught:
        bench.detach()
    assert caught.value.code == "NFV-ATTACH-014" and "--force" in caught.value.fix
    assert "stays attached" in caught.value.why and bench.state() == attached
    bench.virt.silent = False
    bench.detach()
    assert not len(Ledger(bench.host))


def test_guest_that_refuses(bench: Bench) -> None:
    bench.attach()
    bench.virt.refuses = True
    with pytest.raises(Failure) as caught:
        bench.detach()
    assert "refused to release" in caught.value.why


def test_force_powers_the_guest_off(bench: Bench) -> None:
    before = bench.state()
    bench.attach()
    bench.virt.silent = True
    outcome = bench.detach(force=True)
    assert "powered off" in outcome.notes[0]
    bench.virt.define()
    assert bench.state() == before


def test_no_address_before_and_a_driver_that_keeps_addresses(bench: Bench) -> None:
    bench.card.vfs[1]["address"] = "00:00:00:00:00:00"
    bench.attach()
    answer = bench.host.answers["ip"]

    def keep(words: list[str]) -> Any:
        bench.card.refuses = ("mac",) if "00:00:00:00:00:00" in words else ()
        return answer(words)

    bench.host.answers["ip"] = keep
    give_back = bench.virt.give_back

    def as_real(device: Any) -> None:
        give_back(device)
        bench.card.vfs[1]["address"] = MAC

    bench.virt.give_back = as_real  # type: ignore[method-assign]
    outcome = bench.detach()
    assert f"keeps the MAC address {MAC}" in outcome.notes[0] and not len(Ledger(bench.host))


def test_a_restore_that_fails_is_told_and_tried_again(bench: Bench) -> None:
    before = bench.state()
    bench.attach()
    bench.card.refuses = ("trust",)
    with pytest.raises(Failure) as caught:
        bench.detach()
    assert caught.value.code == "NFV-ATTACH-015" and "trust is True, was False" in caught.value.why
    # All that could be restored is restored, and the rest is not forgotten.
    assert bench.card.vfs[1]["address"] == "02:aa:00:00:00:01" and len(Ledger(bench.host)) == 1
    bench.card.refuses = ()
    outcome = Outcome()
    settle(bench.host, outcome)
    assert bench.state() == before and "was completed" in outcome.notes[0] and not len(Ledger(bench.host))


def test_what_cannot_be_settled_stops_everything_else(bench: Bench) -> None:
    bench.attach()
    bench.card.refuses = ("trust",)
    with pytest.raises(Failure):
        bench.detach()
    with pytest.raises(Failure) as caught:
        settle(bench.host, Outcome())
    assert caught.value.code == "NFV-ATTACH-019" and "detach-vf vm1" in caught.value.fix


def test_check_mode_tells_of_what_was_interrupted_and_leaves_it(bench: Bench) -> None:
    bench.attach()
    bench.card.refuses = ("trust",)
    with pytest.raises(Failure):
        bench.detach()
    before, outcome = bench.host.tree(), Outcome()
    with suppress(Failure):  # the VF may stand in the way: whoever asks knows why by the note
        attach(bench.host, bench.request(), outcome, True)
    assert bench.host.tree() == before
    assert [note for note in outcome.notes if note.startswith("an interrupted detach of")]


def test_guest_that_had_it_only_while_it_ran(bench: Bench) -> None:
    before = bench.state()
    bench.attach(config=False)
    bench.virt.stop()
    outcome = Outcome()
    settle(bench.host, outcome)
    bench.virt.define()
    assert bench.state() == before and "ended without nfvcap" in outcome.notes[0]


def test_guest_that_is_gone(bench: Bench) -> None:
    bench.attach()
    bench.virt.stop()
    bench.host.unlink(f"{DEFINED}/vm1.xml")
    bench.detach()
    assert not len(Ledger(bench.host)) and bench.card.vfs[1]["trust"] is False
    assert bench.host.listdir("/var/lib/nfvcap") == ["ledger.json"]


def refusal(bench: Bench, **other: Any) -> Failure:
    before = bench.host.tree()
    with pytest.raises(Failure) as caught:
        bench.attach(**other)
    assert bench.host.tree() == before and bench.virt.open_connections == 0
    return caught.value


def test_refusals_touch_nothing(bench: Bench) -> None:
    assert refusal(bench, uuid="0" * 8 + UUID[8:]).code == "NFV-ATTACH-001"
    assert refusal(bench, index=5).code == "NFV-ATTACH-003"
    assert refusal(bench, address="0000:81:1f.0").code == "NFV-ATTACH-020"
    assert refusal(bench, mac="52:54:00:00:00:01").code == "NFV-ATTACH-007"
    bench.card.vfs[0]["address"] = "02:bb:00:00:00:00"
    failure = refusal(bench, mac="02:BB:00:00:00:00")
    assert failure.code == "NFV-ATTACH-007" and "VF 0" in failure.why


def test_vf_in_use_or_promised_is_not_given_away(bench: Bench) -> None:
    bench.attach()
    failure = refusal(bench)
    assert failure.code == "NFV-ATTACH-004" and "guest vm1 is attached already" in failure.why
    bench.virt.define("vm2", running=False, uuid="1" + UUID[1:])
    bus, slot = bench.card.vf(0)[5:7], bench.card.vf(0)[8:10]
    source = f"<hostdev type='pci'><source><address bus='0x{bus}' slot='0x{slot}' function='0x0'/></source></hostdev>"
    path = f"{DEFINED}/vm2.xml"
    bench.host.plant(path, (bench.host.read(path) or "").replace("<devices>", f"<devices>{source}"))
    failure = refusal(bench, index=0, address="")
    assert failure.code == "NFV-ATTACH-004" and "definition" in failure.why


def test_other_members_of_the_iommu_group_are_named(bench: Bench) -> None:
    bench.card.group("0000:81:00.1", 41)
    bench.host.link(f"{PCI}/0000:81:00.1/driver", "../../../bus/pci/drivers/ixgbe")
    failure = refusal(bench)
    assert failure.code == "NFV-DRV-004" and "0000:81:00.1 (ixgbe)" in failure.why


def test_running_guest_needs_a_free_port(bench: Bench) -> None:
    bench.virt.define(ports=1)
    assert refusal(bench).code == "NFV-ATTACH-012"
    bench.attach(live=False)


def test_off_paused_and_transient(bench: Bench) -> None:
    path = "/run/libvirt/qemu/vm1.xml"
    text = bench.host.read(path) or ""
    bench.host.plant(path, text.replace("state='running'", "state='paused'"))
    assert "paused" in refusal(bench).why
    bench.host.unlink(path)
    assert refusal(bench).code == "NFV-ATTACH-002"
    bench.host.plant(path, text)
    bench.host.unlink(f"{DEFINED}/vm1.xml")
    assert refusal(bench).code == "NFV-ATTACH-018"
    bench.attach(config=False)


def test_detach_of_nothing_and_of_one_of_several(bench: Bench) -> None:
    with pytest.raises(Failure, match="no VF that nfvcap attached"):
        bench.detach()
    bench.attach()
    bench.attach(index=0, address="", mac="02:00:00:00:00:44")
    with pytest.raises(Failure, match="which one"):
        bench.detach()
    bench.detach(f"{bench.card.address}:0")
    bench.detach(bench.card.vf(1))
    assert not len(Ledger(bench.host))


def provisioned(bench: Bench, num_vfs: int = 2, **vf: Any) -> Outcome:
    outcome = Outcome()
    wanted = PfWanted(bench.card.address, num_vfs, (VfWanted(1, vlan=7, qos=2, trust=False, **vf),))
    set_pfs(bench.host, [wanted], [], outcome, check=False)
    return outcome


def test_provisioning_leaves_an_attached_vf_alone(bench: Bench) -> None:
    bench.attach()
    assert not provisioned(bench, mac="02:aa:00:00:00:01").changes
    bench.card.vfs[1]["vlan_list"] = [{"vlan": 9, "qos": 0}]
    # What is not as the attachment has it cannot be mended under the guest; it is told.
    with pytest.raises(Failure, match="vlan, qos cannot be changed now"):
        provisioned(bench)


def test_vfs_made_anew_at_boot_get_what_their_attachment_says(bench: Bench) -> None:
    bench.attach()
    bench.virt.stop()
    bench.card._numvfs("0")
    provisioned(bench)
    assert bench.card.vfs[1]["address"] == MAC and bench.card.vfs[1]["vlan_list"] == [{"vlan": 100, "qos": 3}]


def test_number_of_vfs_stays_while_one_is_attached_to_a_guest_that_is_off(bench: Bench) -> None:
    bench.attach()
    bench.virt.stop()
    with pytest.raises(Failure) as caught:
        provisioned(bench, 3)
    assert caught.value.code == "NFV-SRIOV-005" and "guest vm1" in caught.value.why


def test_host_is_not_taken_back_under_its_guests(bench: Bench) -> None:
    bench.attach()
    before = bench.host.tree()
    with pytest.raises(Failure) as caught:
        restore_state(bench.host, False, Outcome(), False)
    assert caught.value.code == "NFV-ATTACH-017" and "detach-vf vm1" in caught.value.fix
    assert bench.host.tree() == before
