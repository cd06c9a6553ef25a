# SPDX-License-Identifier: Apache-2.0
"""Which VF a guest gets, and what is refused: for any state of the host, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcap.attach.document import attachment, document
from nfvcap.attach.request import Request, Where
from nfvcap.errors import UsageError
from nfvcap.model.attach import Attach, Attachment
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HostPlan
from nfvcap.planner.plan import plan_host
from tests.unit.attach import hosts
from tests.unit.planner.machines import PORT0, PORT1

PLANNED = {
    "pfs": [
        {"pf": PORT0, "vfs": 4},
        {"pf": PORT1, "vfs": 4, "driver": "vfio-pci", "vf": {0: {"mac": "02:00:00:81:00:00", "vlan": 30, "qos": 2}}},
    ],
    "guests": {"vm2": {"vcpus": 1, "memory": "1G", "pf": PORT1}},
}  # fmt: skip


def choose(facts: dict[str, Any], plan: HostPlan | None = None, guest: str = "vm1", **wish: Any) -> Attachment:
    return attachment("host1", Request(guest=guest, **wish), hosts.typed(facts), plan)


def refusal(facts: dict[str, Any], **wish: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        choose(facts, **wish)
    assert caught.value.what and caught.value.fix
    return caught.value


def plan(facts: dict[str, Any]) -> HostPlan:
    return plan_host("host1", Intent.model_validate(PLANNED), hosts.typed(facts))


def test_first_free_vf_beside_the_guest() -> None:
    found = choose(hosts.plain())
    assert (found.pf, found.index, found.node, found.guest_node) == (PORT1, 0, 1, 1) and not found.warnings
    assert found.live and found.config


def test_guest_by_its_pins_when_its_memory_is_not_bound() -> None:
    facts = hosts.plain()
    facts["guests"][0] |= {"memory_nodes": [], "vcpu_pins": {"0": [1], "1": [2]}}
    assert choose(facts).pf == PORT0


def test_farther_vf_costs_a_warning() -> None:
    facts = hosts.plain()
    for vf in hosts.vfs_of(facts, PORT1):
        vf["holder"] = {"kind": "vfio", "name": "testpmd", "pid": 7}
    found = choose(facts)
    assert found.pf == PORT0 and "distance 21 instead of 10" in found.warnings[0]


def test_vf_planned_for_another_guest_is_left_to_it_and_can_be_named() -> None:
    facts = hosts.plain()
    assert choose(facts, plan(facts)).index == 1
    assert choose(facts, plan(facts), "vm2").index == 0
    named = choose(facts, plan(facts), vf="ens1:vf0")
    assert named.index == 0 and "vm2" in named.warnings[0]


def test_attributes_asked_for_come_before_the_inventory_and_that_before_what_is() -> None:
    facts = hosts.plain()
    hosts.vfs_of(facts, PORT1)[0]["max_tx_rate_mbps"] = 50
    found = choose(facts, plan(facts), "vm2", trust=True)
    assert found.mac == "02:00:00:81:00:00"
    assert (found.attributes.vlan, found.attributes.qos, found.attributes.trust) == (30, 2, True)
    # Another VLAN has another priority; none has none.
    assert choose(facts, plan(facts), "vm2", vlan=40).attributes.qos == 0
    assert choose(facts, None, "vm2").attributes.max_tx_rate_mbps == 50


@pytest.mark.parametrize(
    "words", ["ens1:vf3", "ens1:3", f"{PORT1}:vf3", f"{PORT1}:3", "81:00.0:vf3", "0000:81:10.6", "81:10.6", "81:10.6"]
)
def test_ways_to_name_a_vf(words: str) -> None:
    found = choose(hosts.plain(), vf=words)
    assert (found.pf, found.index, found.address) == (PORT1, 3, "0000:81:10.6")


def test_a_port_by_one_of_its_other_names() -> None:
    facts = hosts.plain()
    for one in facts["nics"]:
        one["altnames"] = ["enp129s0", "enx5254006e6611"] if one["address"] == PORT1 else []
    assert choose(facts, vf="enp129s0:vf2").index == 2
    assert choose(facts, pf="enx5254006e6611").pf == PORT1


def test_number_on_a_port() -> None:
    assert choose(hosts.plain(), vf="2", pf="ens0").address == hosts.vf(PORT0, 2, 0)["address"]
    assert choose(hosts.plain(), pf=PORT0).pf == PORT0


@pytest.mark.parametrize("words", ["ens9:vf0", "ens1:vf9", "0000:81:1f.0", "vf", "3", "ens1", "ens1:vf-1"])
def test_vf_that_does_not_exist(words: str) -> None:
    assert refusal(hosts.plain(), vf=words).code == "NFV-ATTACH-003"


def test_vf_of_another_port_than_the_one_named() -> None:
    assert "is no VF of ens0" in refusal(hosts.plain(), vf="0000:81:10.6", pf="ens0").what


def test_taken_vfs_name_their_user() -> None:
    facts = hosts.plain()
    vfs = hosts.vfs_of(facts, PORT1)
    vfs[0]["holder"] = {"kind": "vfio", "name": "testpmd", "pid": 4711}
    facts["guests"][1]["hostdevs"] = [vfs[1]["address"]]
    facts["ledger"] = hosts.attached(PORT1, 2, "vm9")
    for index, word in enumerate(["testpmd (pid 4711)", "definition of guest vm2", "attached to guest vm9"]):
        error = refusal(facts, vf=f"ens1:{index}")
        assert error.code == "NFV-ATTACH-004" and word in error.why
    assert choose(facts).index == 3


def test_no_free_vf_counts_the_reasons() -> None:
    facts = hosts.plain(2)
    for pf in (PORT0, PORT1):
        for vf in hosts.vfs_of(facts, pf):
            vf["holder"] = {"kind": "libvirt", "name": "vm7", "pid": None}
    error = refusal(facts)
    assert error.code == "NFV-ATTACH-005" and "4 taken" in error.why
    assert refusal(hosts.plain(0)).code == "NFV-ATTACH-005"


def test_iommu_group_with_others_names_them_and_their_drivers() -> None:
    facts = hosts.plain()
    facts["iommu"]["groups"].append({"id": 99, "devices": ["0000:81:10.0", PORT0]})
    hosts.vfs_of(facts, PORT1)[0]["iommu_group"] = 99
    error = refusal(facts, vf="ens1:vf0")
    assert error.code == "NFV-ATTACH-006" and f"{PORT0} (igb)" in error.why
    assert choose(facts).index == 1
    facts["iommu"]["enabled"] = False
    assert "without an IOMMU" in refusal(facts, vf="ens1:vf1").why


def test_port_that_is_down_carries_ssh_or_has_no_interface() -> None:
    for change, word in (
        ({"admin_up": False}, "down"), ({"carries": ["ssh"]}, "ssh connection"), ({"name": None}, "no network"),
    ):  # fmt: skip
        facts = hosts.plain()
        facts["nics"][2] |= change
        error = refusal(facts, vf="0000:81:10.0")
        assert error.code == "NFV-ATTACH-009" and word in error.why
        assert choose(facts).pf == PORT0


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "00:00:00:00:00:00", "2:0:0:0:0:1", "vm1", "ff:ff:ff:ff:ff:ff"])
def test_words_that_are_no_address(mac: str) -> None:
    assert refusal(hosts.plain(), mac=mac).code == "NFV-ATTACH-007"


def test_address_that_somebody_has() -> None:
    facts = hosts.plain()
    hosts.vfs_of(facts, PORT0)[3]["mac"] = "02:AA:00:00:00:01"
    assert f"VF 3 of {PORT0}" in refusal(facts, mac="02-aa-00-00-00-01").why
    assert "the port ens1" in refusal(facts, mac="52:54:00:6e:66:11").why


def test_address_that_the_vf_has_is_kept_and_a_made_one_is_always_the_same() -> None:
    facts = hosts.plain()
    made = choose(facts).mac
    assert made.startswith("02:") and made == choose(facts).mac
    hosts.vfs_of(facts, PORT1)[1]["mac"] = made
    assert choose(facts).mac != made
    hosts.vfs_of(facts, PORT1)[0]["mac"] = "02:aa:00:00:00:02"
    assert choose(facts).mac == "02:aa:00:00:00:02"


@pytest.mark.parametrize("vlan", [-1, 4095, 70000])
def test_vlan_out_of_range(vlan: int) -> None:
    assert refusal(hosts.plain(), vlan=vlan).code == "NFV-ATTACH-008"


def test_guest_that_is_unknown_off_paused_or_transient() -> None:
    facts = hosts.plain()
    error = refusal(facts, guest="wm1")
    assert error.code == "NFV-ATTACH-001" and "did you mean vm1" in error.fix and "vm2" in error.why
    for where in (Where.LIVE, Where.BOTH):
        assert refusal(facts, guest="vm2", where=where).code == "NFV-ATTACH-002"
    off = choose(facts, guest="vm2")
    assert off.config and not off.live
    facts["guests"][0]["state"] = "paused"
    assert refusal(facts).code == "NFV-ATTACH-002"
    facts["guests"][0] |= {"state": "running", "persistent": False}
    assert refusal(facts, where=Where.CONFIG).code == "NFV-ATTACH-018"
    assert choose(facts).config is False


def test_document_goes_through_json_and_names_every_change() -> None:
    facts = hosts.plain()
    made = document({"host1": choose(facts, vlan=5)})
    assert Attach.from_json(made.to_json()) == made
    assert [step.id for step in made.nfvcap_attach["host1"].steps] == [
        f"vf:{PORT1}:0:mac", f"vf:{PORT1}:0:vlan", "guest:vm1:config", "guest:vm1:live",
    ]  # fmt: skip


@st.composite
def houses(draw: st.DrawFn) -> dict[str, Any]:
    """Any state that VFs can be in."""
    facts = hosts.plain(draw(st.integers(0, 6)))
    for nic in facts["nics"][1:]:
        nic["admin_up"], nic["link_up"] = draw(st.booleans()), draw(st.sampled_from([True, False, None]))
        for vf in nic["sriov"]["vfs"]:
            vf["holder"] = draw(st.sampled_from([None, None, {"kind": "vfio", "name": "x", "pid": 1}]))
            vf["mac"] = draw(st.sampled_from(["00:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:02", None]))
            vf["iommu_group"] = draw(st.sampled_from([vf["iommu_group"], 77, None]))
            if draw(st.integers(0, 5)) == 0:
                facts["guests"][1]["hostdevs"].append(vf["address"])
    facts["guests"][0]["memory_nodes"] = draw(st.sampled_from([[0], [1], [], [0, 1]]))
    everyone = [vf for nic in facts["nics"][1:] for vf in nic["sriov"]["vfs"]]
    shared = [vf["address"] for vf in everyone if vf["iommu_group"] == 77]
    facts["iommu"]["groups"].append({"id": 77, "devices": [*shared, *draw(st.sampled_from([[], [PORT0]]))]})
    return facts


@settings(max_examples=150, deadline=None)
@given(houses())
def test_whatever_is_chosen_is_free_and_the_nearest(facts: dict[str, Any]) -> None:
    try:
        found = choose(facts)
    except UsageError as error:
        assert error.code == "NFV-ATTACH-005"
        # Then no single VF is accepted by its name either.
        for pf in (PORT0, PORT1):
            for vf in hosts.vfs_of(facts, pf):
                assert refusal(facts, vf=f"{pf}:{vf['index']}").code.startswith("NFV-ATTACH-00")
        return
    by_address = {vf["address"]: vf for pf in (PORT0, PORT1) for vf in hosts.vfs_of(facts, pf)}
    vf = by_address[found.address]
    assert vf["holder"] is None and vf["iommu_group"] is not None
    assert found.address not in facts["guests"][1]["hostdevs"]
    others = [str(one["mac"]) for one in by_address.values() if one is not vf and one["mac"]]
    assert found.mac not in others and int(found.mac[:2], 16) & 1 == 0
    for other in by_address.values():
        try:
            named = choose(facts, vf=other["address"])
        except UsageError:
            continue
        assert bool(named.warnings) >= bool([one for one in found.warnings if "node" in one]), "a nearer one was free"
    assert choose(facts) == found
