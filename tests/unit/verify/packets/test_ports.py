# SPDX-License-Identifier: Apache-2.0
"""Which port of a host is measured beside VFs, and what is said of one that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nfvcap.model.facts import Facts
from nfvcap.planner.files import RECORD
from nfvcap.verify.packets.engines.ports import (
    choose,
    lent,
    no_dpdk,
    no_dpdk_pf,
    planned,
    virtual,
    virtual_mac,
    whole,
)
from tests.unit.attach.hosts import PORT0, PORT1, plain, typed
from tests.unit.attach.hosts import vfs_of as host_vfs


def provisioned(*pfs: str, change: dict[str, Any] | None = None, parameters: dict[str, str] | None = None) -> Facts:
    """The lab server with a plan for these PFs; ``change`` bends the second port."""
    facts = plain()
    record = json.dumps({"nfvcap_plan": {"h": {"desired": {"pfs": [{"address": pf} for pf in pfs]}}}})
    facts["files"][RECORD] = {"sha256": "", "mode": "0644", "content": record}
    nic_of(facts, PORT1).update(change or {})
    if parameters is not None:
        facts["module_parameters"] = {"vfio_pci": parameters}
    return typed(facts)


def nic_of(facts: dict[str, Any], address: str) -> dict[str, Any]:
    found: dict[str, Any] = next(nic for nic in facts["nics"] if nic["address"] == address)
    return found


def test_only_what_the_plan_names_is_used() -> None:
    assert planned(provisioned(PORT1)) == (PORT1,) and planned(typed(plain())) == ()
    assert choose(typed(plain())).nic is None and "provision" in choose(typed(plain())).why
    chosen = choose(provisioned(PORT1), [PORT0]).nic
    assert chosen is not None and chosen.address == PORT1


def test_the_preferred_port_comes_first_among_those_that_frames_come_to() -> None:
    facts = provisioned(PORT0, PORT1)
    assert [choose(facts, [pf]).nic.address for pf in (PORT0, PORT1)] == [PORT0, PORT1]  # type: ignore[union-attr]
    assert choose(facts, [PORT1], [PORT0]).nic.address == PORT0  # type: ignore[union-attr]
    assert choose(facts, [], []).nic is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"carries": ["ssh"]}, "carries ssh"),
        ({"carries": ["ssh", "default-route"]}, "ssh and default-route"),
        ({"admin_up": False}, "is down"),
        ({"name": None, "driver": "vfio-pci"}, "its driver is vfio-pci"),
        ({"holder": {"kind": "vfio", "name": "testpmd", "pid": 7}}, "held by testpmd"),
    ],
)
def test_a_port_that_may_not_be_used_says_why(change: dict[str, Any], words: str) -> None:
    choice = choose(provisioned(PORT1, change=change))
    assert choice.nic is None and words in choice.why and PORT1 in choice.why
    other = choose(provisioned(PORT0, PORT1, change=change), [PORT1]).nic
    assert other is not None and other.address == PORT0


def test_a_port_is_reached_by_its_own_address_and_a_virtual_nic_by_another() -> None:
    nic = choose(provisioned(PORT1)).nic
    assert nic is not None
    port, mac = whole(nic), virtual_mac("uuid", "virtio")
    assert (port.mac, port.interface, port.pf, port.pf_driver, port.vlan) == (nic.mac, nic.name, PORT1, "", 0)
    assert virtual(nic, "virtio", mac).layout.dst_mac == bytes.fromhex(mac.replace(":", ""))
    # Locally administered, of one station; another for each guest and model.
    assert int(mac[:2], 16) & 3 == 2
    assert len({virtual_mac(uuid, model) for uuid in "ab" for model in ("virtio", "e1000")}) == 4


def test_evidence_names_driver_vfs_and_their_holders() -> None:
    facts = plain()
    host_vfs(facts, PORT1)[2]["holder"] = {"kind": "libvirt", "name": "vm3", "pid": 9}
    nic = next(one for one in typed(facts).nics if one.address == PORT1)
    assert lent(nic) == ("VF 2 in vm3",)
    assert "driven by igb" in no_dpdk(nic) and "4 VFs" in no_dpdk(nic) and "VF 2 in vm3" in no_dpdk(nic)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (None, "vfio_pci is not loaded"),
        ({}, "no parameter enable_sriov"),
        ({"enable_sriov": "N"}, "enable_sriov=N, so it makes no VFs"),
        ({"enable_sriov": "Y"}, "enable_sriov=Y, but it has not been given the PF"),
    ],
)
def test_what_the_host_says_about_a_pf_for_dpdk(parameters: dict[str, str] | None, words: str) -> None:
    said = no_dpdk_pf(provisioned(PORT1, parameters=parameters), [PORT1])
    assert f"{PORT1} is driven by igb with 4 VFs" in said and words in said
