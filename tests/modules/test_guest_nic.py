# SPDX-License-Identifier: Apache-2.0
"""A NIC that a guest has for the length of a measurement: there, seen, gone again, and never forgotten."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible.module_utils.nfvcap_attachsettle import settle
from ansible.module_utils.nfvcap_attachxml import find
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_guestnic import ALIAS, NicWanted, plug, unplug
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_restore import restore_state

from tests.modules.fakecard import FakeCard, card
from tests.modules.fakelibvirt import CONFIG, LIVE, UUID, Domain, FakeLibvirt

MAC = "02:6e:66:00:00:01"
OTHER = UUID[:-1] + "2"


class Bench:
    """A host with a card whose interface is up, and a running guest with four PCI Express ports."""

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.card: FakeCard = card(tree)
        self.host = self.card.host
        self.card._set(["up"])
        self.virt = FakeLibvirt(self.card).install(monkeypatch)
        self.virt.define()

    def plug(self, guest: str = "vm1", *, model: str = "virtio", check: bool = False) -> Outcome:
        outcome = Outcome()
        plug(self.host, NicWanted(guest, self.card.address, model, MAC, "someone"), outcome, check, 30.0)
        return outcome

    def unplug(self) -> Outcome:
        outcome = Outcome()
        unplug(self.host, outcome, False, 30.0)
        return outcome

    def nic(self, flags: int = LIVE, guest: str = "vm1") -> ElementTree.Element | None:
        return find(ElementTree.tostring(Domain(self.virt, guest).tree(flags), encoding="unicode"), ALIAS)

    def tree(self) -> dict[str, str]:
        kept = self.host.tree().items()
        return {name: text for name, text in kept if not name.startswith(("/var", "/run/lock"))}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


@pytest.mark.parametrize("model", ["virtio", "e1000"])
def test_there_and_back_in_the_running_guest_alone(bench: Bench, model: str) -> None:
    before = bench.tree()
    outcome = bench.plug(model=model)
    nic = bench.nic()
    assert nic is not None and nic.get("type") == "direct" and bench.nic(CONFIG) is None
    source, kind, mac = nic.find("source"), nic.find("model"), nic.find("mac")
    assert source is not None and dict(source.attrib) == {"dev": bench.card.name, "mode": "bridge"}
    assert kind is not None and kind.get("type") == model and mac is not None and mac.get("address") == MAC
    place = nic.find("address")
    # The first port has the guest's own card. A conventional device gets into a port only by its address.
    assert place is not None and place.get("bus") == "0x02"
    assert [change["id"] for change in outcome.changes] == ["guest:vm1:live"]
    assert Ledger(bench.host).ids() == [f"guest-nic:{UUID}"]
    bench.unplug()
    assert bench.tree() == before and not len(Ledger(bench.host)) and bench.virt.open_connections == 0


def test_a_whole_port_goes_to_the_guest_only_from_vfio_pci(bench: Bench) -> None:
    with pytest.raises(Failure) as refused:
        bench.plug(model="passthrough")
    assert refused.value.code == "NFV-GUEST-041" and "not vfio-pci" in refused.value.why and bench.nic() is None
    driver = f"/sys/bus/pci/devices/{bench.card.address}/driver"
    bench.host.unlink(driver)
    bench.host.link(driver, "../../../bus/pci/drivers/vfio-pci")
    bench.plug(model="passthrough")
    nic = bench.nic()
    assert nic is not None and (nic.tag, nic.get("managed")) == ("hostdev", "no") and bench.nic(CONFIG) is None
    source = nic.find("source/address")
    assert source is not None and source.get("bus") == f"0x{bench.card.address.split(':')[1]}"
    bench.unplug()
    assert bench.nic() is None and not len(Ledger(bench.host))


@pytest.mark.parametrize("iommu", [False, True])
def test_a_virtio_nic_is_behind_the_guest_s_iommu_if_it_has_one(bench: Bench, iommu: bool) -> None:
    bench.virt.define(iommu=iommu)
    bench.plug()
    nic = bench.nic()
    assert nic is not None and (nic.find("driver[@iommu='on']") is not None) == iommu


def test_check_mode_foretells_and_touches_nothing(bench: Bench) -> None:
    before = bench.host.tree()
    assert bench.plug(check=True).changes and bench.host.tree() == before


@pytest.mark.parametrize("when", ["attach", "attached"])
def test_a_refusal_of_libvirt_leaves_nothing(bench: Bench, when: str) -> None:
    before = bench.tree()
    bench.virt.faults[when, "live"] = "no such model"
    with pytest.raises(Failure) as failed:
        bench.plug()
    assert failed.value.code == "NFV-ATTACH-010" and "temporary NIC" in failed.value.what
    assert bench.tree() == before and not len(Ledger(bench.host))


def test_what_a_killed_run_left_goes_before_the_next_one_comes(bench: Bench) -> None:
    bench.virt.define("vm2", uuid=OTHER)
    bench.plug("vm2")
    outcome = bench.plug("vm1", model="e1000")
    assert bench.nic(guest="vm2") is None and bench.nic() is not None
    assert Ledger(bench.host).ids() == [f"guest-nic:{UUID}"] and "vm2" in outcome.notes[0]


def test_other_runs_leave_it_alone_and_deprovision_takes_it_out(bench: Bench) -> None:
    bench.plug()
    settle(bench.host, Outcome())
    assert bench.nic() is not None
    restore_state(bench.host, False, Outcome(), False)
    assert bench.nic() is None and bench.host.status("/var/lib/nfvcap") is None


def test_a_guest_that_keeps_it_is_remembered_and_the_others_are_freed(bench: Bench) -> None:
    bench.plug()
    bench.virt.silent = True
    with pytest.raises(Failure) as failed:
        bench.unplug()
    assert failed.value.code == "NFV-GUEST-040" and "detach-device-alias vm1" in failed.value.fix
    assert Ledger(bench.host).ids() == [f"guest-nic:{UUID}"] and bench.nic() is not None
    bench.virt.silent = False
    bench.unplug()
    assert bench.nic() is None and not len(Ledger(bench.host))


def test_a_guest_that_has_ended_has_nothing_any_more(bench: Bench) -> None:
    bench.plug()
    bench.virt.stop()
    bench.unplug()
    assert not len(Ledger(bench.host))


def test_a_port_that_carries_the_default_route_is_not_touched(bench: Bench) -> None:
    bench.card.default_routes = [{"dst": "default", "dev": bench.card.name}]
    with pytest.raises(Failure) as refused:
        bench.plug()
    assert refused.value.code == "NFV-SRIOV-002" and bench.nic() is None and not len(Ledger(bench.host))


def test_a_port_that_is_down_stays_down(bench: Bench) -> None:
    bench.card._set(["down"])
    with pytest.raises(Failure) as refused:
        bench.plug()
    assert refused.value.code == "NFV-GUEST-041" and "down" in refused.value.why


@pytest.mark.parametrize(("guest", "code"), [("vm9", "NFV-ATTACH-001"), ("vm1", "NFV-ATTACH-002")])
def test_only_a_guest_that_runs_gets_one(bench: Bench, guest: str, code: str) -> None:
    bench.virt.stop()
    with pytest.raises(Failure) as refused:
        bench.plug(guest)
    assert refused.value.code == code


def test_a_guest_without_a_free_port_is_told_so(bench: Bench) -> None:
    bench.virt.define(ports=1)
    with pytest.raises(Failure) as refused:
        bench.plug()
    assert refused.value.code == "NFV-ATTACH-012" and not len(Ledger(bench.host))
