# SPDX-License-Identifier: Apache-2.0
"""VFs on a tree that behaves like igb: what is refused, in which order things happen, what is left after a failure."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_sriov import PfWanted, set_pfs
from ansible.module_utils.nfvcap_vfattr import VfWanted

from tests.modules.fakecard import PCI, FakeCard, card

MAC = "02:00:00:81:00:0{}"


@pytest.fixture
def igb(tmp_path: Path) -> FakeCard:
    return card(tmp_path)


def wanted(igb: FakeCard, count: int = 4, driver: str = "vfio-pci") -> PfWanted:
    vfs = tuple(
        VfWanted(
            index, mac=MAC.format(index), vlan=0, qos=0, trust=index == 1, spoofchk=True, min_tx_rate_mbps=0,
            max_tx_rate_mbps=500 if index == 2 else 0, link_state="auto", driver=driver,
        )
        for index in range(count)
    )  # fmt: skip
    return PfWanted(igb.address, count, vfs)


def apply(igb: FakeCard, pf: PfWanted, check: bool = False, protected: tuple[str, ...] = ()) -> Outcome:
    outcome = Outcome()
    set_pfs(igb.host, [pf], list(protected), outcome, check)
    return outcome


def refusal(igb: FakeCard, pf: PfWanted, protected: tuple[str, ...] = ()) -> Failure:
    """The failure, and proof that nothing was touched."""
    igb.host.writes.clear()
    igb.host.commands.clear()
    before = igb.host.tree()
    with pytest.raises(Failure) as caught:
        apply(igb, pf, protected=protected)
    assert igb.host.tree() == before and not igb.host.writes
    assert not [words for words in igb.host.commands if "set" in words]
    return caught.value


def test_makes_vfs_with_attributes_and_drivers(igb: FakeCard) -> None:
    outcome = apply(igb, wanted(igb))
    assert igb.drivers() == {0: "vfio-pci", 1: "vfio-pci", 2: "vfio-pci", 3: "vfio-pci"}
    assert [vf["address"] for vf in igb.vfs.values()] == [MAC.format(index) for index in range(4)]
    assert igb.vfs[1]["trust"] is True and igb.vfs[2]["rate"]["max_tx"] == 500
    assert igb.up
    ids = [change["id"] for change in outcome.changes]
    assert ids[:2] == [f"pf:{igb.address}:up", f"pf:{igb.address}:num_vfs"]
    assert f"vf:{igb.address}:2:max_tx_rate" in ids and f"vf:{igb.address}:3:driver" in ids
    # What a VF has anyway is no change.
    assert f"vf:{igb.address}:0:vlan" not in ids


def test_no_driver_sees_a_vf_before_it_has_its_address(igb: FakeCard) -> None:
    seen: list[tuple[str, str]] = []
    igb.takes = lambda address, driver: seen.append((driver, next(
        vf["address"] for index, vf in igb.vfs.items() if igb.vf(index) == address
    )))  # fmt: skip
    apply(igb, wanted(igb, 2, driver=""))
    assert seen == [("igbvf", MAC.format(0)), ("igbvf", MAC.format(1))]
    assert igb.host.value(f"{PCI}/{igb.address}/sriov_drivers_autoprobe") == "1"


def test_second_run_changes_nothing(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    igb.host.writes.clear()
    igb.host.commands.clear()
    assert not apply(igb, wanted(igb)).changes
    assert not igb.host.writes
    assert not [words for words in igb.host.commands if "set" in words]


def test_check_mode_foretells_the_run_and_touches_nothing(igb: FakeCard) -> None:
    before = igb.host.tree()
    foretold = apply(igb, wanted(igb), check=True)
    assert igb.host.tree() == before
    assert apply(igb, wanted(igb)).changes == foretold.changes


def test_another_number_goes_through_zero(igb: FakeCard) -> None:
    apply(igb, wanted(igb, 2))
    igb.host.writes.clear()
    apply(igb, wanted(igb, 4))
    assert igb.numvfs_writes() == ["0", "4"]


def test_original_is_recorded_once_before_the_first_write(igb: FakeCard) -> None:
    igb._numvfs("1")
    ledgers: list[object] = []
    igb.host.reactions[f"{PCI}/{igb.address}/sriov_drivers_autoprobe"] = lambda text: ledgers.append(
        json.loads(igb.host.read("/var/lib/nfvcap/ledger.json") or "{}")["entries"][f"sriov:{igb.address}"]["before"]
    )
    apply(igb, wanted(igb, 2))
    apply(igb, wanted(igb, 3))
    assert len({json.dumps(ledger) for ledger in ledgers}) == 1
    before = json.loads(json.dumps(ledgers[0]))
    assert before["num_vfs"] == 1 and before["drivers_autoprobe"] is True and before["admin_up"] is False
    assert before["vfs"][0]["driver"] == "igbvf" and before["vfs"][0]["mac"] == "00:00:00:00:00:00"


def test_only_what_differs_is_set(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    igb.vfs[2]["spoofchk"] = False
    igb.host.commands.clear()
    outcome = apply(igb, wanted(igb))
    assert outcome.changes == [{"id": f"vf:{igb.address}:2:spoofchk", "before": False, "after": True}]
    assert [words[5:] for words in igb.host.commands if "set" in words and "vf" in words] == [
        ["vf", "2", "spoofchk", "on"]
    ]
    assert igb.numvfs_writes() == ["4"]


def test_kernel_driver_is_reloaded_for_a_new_address(igb: FakeCard) -> None:
    apply(igb, wanted(igb, 2, driver=""))
    igb.vfs[1]["address"] = "02:00:00:00:00:99"
    taken: list[str] = []
    igb.takes = lambda address, driver: taken.append(address)
    apply(igb, wanted(igb, 2, driver=""))
    assert taken == [igb.vf(1)]


def test_attribute_that_is_not_reported_and_wanted_as_it_is_by_default_is_equal(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    for vf in igb.vfs.values():
        del vf["trust"], vf["link_state"]
    pf = PfWanted(igb.address, 4, tuple(VfWanted(index, trust=False, link_state="auto") for index in range(4)))
    assert not apply(igb, pf).changes


@pytest.mark.parametrize("role", ["default route", "bond"])
def test_a_nic_that_carries_the_default_route_is_not_touched(igb: FakeCard, role: str) -> None:
    device = igb.name
    if role == "bond":
        device = "bond0"
        igb.host.plant(f"/sys/class/net/bond0/lower_{igb.name}/ifindex", "3\n")
        igb.extra_links = [{"ifname": "bond0", "flags": ["UP"], "linkinfo": {"info_kind": "bond"}}]
    igb.default_routes = [{"dst": "default", "dev": device}]
    failure = refusal(igb, wanted(igb))
    assert failure.code == "NFV-SRIOV-002"
    assert "a default route" in failure.why
    assert role != "bond" or "bond0" in failure.why


def test_a_nic_whose_vf_carries_the_default_route_is_not_touched(igb: FakeCard) -> None:
    igb._numvfs("2")
    igb.default_routes = [{"dst": "default", "dev": f"{igb.name}v{igb.vf(1)[-4:]}"}]
    assert refusal(igb, wanted(igb)).code == "NFV-SRIOV-002"


def test_a_protected_nic_is_not_touched_whatever_it_carries(igb: FakeCard) -> None:
    assert refusal(igb, wanted(igb), protected=(igb.address,)).code == "NFV-SRIOV-002"


def test_vfs_in_use_are_not_destroyed(igb: FakeCard) -> None:
    apply(igb, wanted(igb, 2))
    igb.hold(1)
    failure = refusal(igb, wanted(igb, 4))
    assert failure.code == "NFV-SRIOV-005"
    assert "dpdk-testpmd (pid 4711)" in failure.why and "VF 1" in failure.why


def test_the_guest_that_holds_a_vf_is_named(igb: FakeCard) -> None:
    apply(igb, wanted(igb, 2))
    igb.run_guest("vm1", 0)
    assert "the guest vm1" in refusal(igb, wanted(igb, 3)).why


def test_address_of_a_vf_in_use_is_not_changed_but_its_rate_is(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    igb.run_guest("vm1", 1)
    vfs = (VfWanted(1, mac="02:00:00:00:00:77"),)
    failure = refusal(igb, PfWanted(igb.address, 4, vfs))
    assert failure.code == "NFV-SRIOV-005" and "mac" in failure.what
    apply(igb, PfWanted(igb.address, 4, (VfWanted(1, max_tx_rate_mbps=100),)))
    assert igb.vfs[1]["rate"]["max_tx"] == 100


def test_more_vfs_than_the_card_has(igb: FakeCard) -> None:
    failure = refusal(igb, wanted(igb, 9))
    assert failure.code == "NFV-SRIOV-004" and "offers 8" in failure.why


def test_no_such_card_names_what_there_is(igb: FakeCard) -> None:
    failure = refusal(igb, PfWanted("0000:99:00.0", 1))
    assert failure.code == "NFV-SRIOV-001" and igb.address in failure.why


def test_without_iommu_no_vf_is_made_for_vfio(igb: FakeCard) -> None:
    (Path(igb.host.real("/sys/class/iommu/dmar0/name"))).unlink()
    Path(igb.host.real("/sys/class/iommu/dmar0")).rmdir()
    assert refusal(igb, wanted(igb)).code == "NFV-DRV-003"


def test_attribute_that_the_driver_does_not_know(igb: FakeCard) -> None:
    igb.refuses = ("state",)
    with pytest.raises(Failure) as caught:
        apply(igb, PfWanted(igb.address, 1, (VfWanted(0, link_state="disable"),)))
    assert caught.value.code == "NFV-VF-002"
    assert "igb refuses state disable" in caught.value.what
    assert igb.host.value(f"{PCI}/{igb.address}/sriov_drivers_autoprobe") == "1"


def test_vfs_that_come_late_are_waited_for(igb: FakeCard) -> None:
    igb.late_s = 5.0
    apply(igb, wanted(igb))
    assert len(igb.drivers()) == 4


def test_vfs_that_never_come_are_reported_and_none_are_left(igb: FakeCard) -> None:
    igb.late_s = 1e9
    with pytest.raises(Failure) as caught:
        apply(igb, wanted(igb))
    assert caught.value.code == "NFV-SRIOV-009"
    assert igb.host.number(f"{PCI}/{igb.address}/sriov_numvfs") == 0


def test_a_refused_number_says_why_and_running_again_converges(igb: FakeCard) -> None:
    igb.create_fails = errno.ENOMEM
    with pytest.raises(Failure) as caught:
        apply(igb, wanted(igb))
    assert caught.value.code == "NFV-SRIOV-007" and "pci=realloc" in caught.value.why
    assert igb.host.number(f"{PCI}/{igb.address}/sriov_numvfs") == 0
    igb.create_fails = None
    apply(igb, wanted(igb))
    assert len(igb.drivers()) == 4


def test_a_driver_that_blocks_is_given_up_and_not_asked_again(igb: FakeCard) -> None:
    igb.blocks = True
    with pytest.raises(Failure) as caught:
        apply(igb, wanted(igb))
    assert caught.value.code == "NFV-SRIOV-006"
    assert igb.numvfs_writes() == ["4"]


def test_vf_that_vfio_does_not_take_fails_and_running_again_converges(igb: FakeCard) -> None:
    def refuse(address: str, driver: str) -> None:
        if address == igb.vf(2) and driver == "vfio-pci":
            raise OSError(errno.EINVAL, "Invalid argument")

    igb.takes = refuse
    with pytest.raises(Failure) as caught:
        apply(igb, wanted(igb))
    assert caught.value.code == "NFV-DRV-006" and igb.vf(2) in caught.value.what
    igb.takes = lambda address, driver: None
    # The number is right by now, so it is not touched: what is missing are drivers.
    igb.host.writes.clear()
    apply(igb, wanted(igb))
    assert not igb.numvfs_writes()


def test_an_administrator_who_wants_no_autoprobe_keeps_it_so(igb: FakeCard) -> None:
    igb.host.plant(f"{PCI}/{igb.address}/sriov_drivers_autoprobe", "0\n")
    apply(igb, wanted(igb, 2, driver=""))
    assert igb.drivers() == {0: "igbvf", 1: "igbvf"}
    assert igb.host.value(f"{PCI}/{igb.address}/sriov_drivers_autoprobe") == "0"


def test_a_card_that_has_fewer_vfs_than_it_says_is_made_anew(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    igb.host.unlink(f"{PCI}/{igb.address}/virtfn3")
    outcome = apply(igb, wanted(igb))
    assert outcome.changes[0] == {"id": f"pf:{igb.address}:num_vfs", "before": 3, "after": 4}
    assert igb.numvfs_writes() == ["4", "0", "4"] and len(igb.drivers()) == 4


def test_autoprobe_that_a_killed_run_left_off_is_restored(igb: FakeCard) -> None:
    apply(igb, wanted(igb))
    igb.host.plant(f"{PCI}/{igb.address}/sriov_drivers_autoprobe", "0\n")
    outcome = apply(igb, wanted(igb))
    assert [change["id"] for change in outcome.changes] == [f"pf:{igb.address}:autoprobe"]
    assert igb.host.value(f"{PCI}/{igb.address}/sriov_drivers_autoprobe") == "1"
