# SPDX-License-Identifier: Apache-2.0
"""Who watches whom, from the words that people use; and what is refused before any host is asked."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcap.errors import UsageError
from nfvcap.mirror.chosen import chosen
from nfvcap.mirror.duration import seconds
from nfvcap.mirror.request import port_of, resolve
from nfvcap.model.facts import Facts
from tests.unit.planner.machines import PORT0 as FIRST
from tests.unit.planner.machines import PORT1 as SECOND
from tests.unit.planner.machines import document, lab_spec


def vf(pf: str, index: int) -> dict[str, Any]:
    return {
        "index": index, "address": f"{pf[:8]}10.{index * 2}", "name": None, "driver": "vfio-pci",
        "driver_override": None, "device_id": "10ca", "node": 1, "iommu_group": None, "mac": None, "vlan": 0, "qos": 0,
        "trust": False, "spoofchk": True, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0, "link_state": "auto",
        "holder": None,
    }  # fmt: skip


def guest(name: str, *devices: str) -> dict[str, Any]:
    return {
        "name": name, "uuid": name, "state": "running", "persistent": True, "vcpus": 1, "memory_bytes": 1 << 30,
        "vcpu_pins": {}, "emulator_pins": [], "memory_nodes": [], "hugepage_size_bytes": None, "hostdevs": devices,
    }  # fmt: skip


@pytest.fixture
def facts() -> Facts:
    """Two ports with four VFs each; vm1 and vm2 on the second, vm3 on both, vm6 on the first, vm5 without a VF."""
    plain = document(lab_spec())
    for nic in plain["nics"]:
        if nic["address"] in (FIRST, SECOND):
            nic["name"] = "ens0" if nic["address"] == FIRST else "ens1"
            nic["sriov"] |= {"num_vfs": 4, "vfs": [vf(nic["address"], index) for index in range(4)]}
    first, second = ([vf(pf, index)["address"] for index in range(4)] for pf in (FIRST, SECOND))
    plain["guests"] = [
        guest("vm1", second[0]), guest("vm2", second[1]), guest("vm3", first[0], second[2]), guest("vm5"),
        guest("vm6", first[1]),
    ]  # fmt: skip
    return Facts.model_validate(plain)


def said(facts: Facts, monitor: str, sources: str) -> tuple[Any, ...]:
    found = resolve(monitor, sources, facts)
    return found.pf, found.monitor.index, [(one.kind, one.index) for one in found.sources]


def test_guests_vfs_and_ports_are_the_same_thing_by_other_names(facts: Facts) -> None:
    wanted = (SECOND, 2, [("vf", 0), ("vf", 1)])
    assert said(facts, "vm3", "vm1,vm2") == wanted
    assert said(facts, "ens1:vf2", f"{SECOND}:vf0, ens1:vf1") == wanted
    assert said(facts, "vm3", "vm1,vm1,vm2") == wanted


def test_a_monitor_with_vfs_on_two_ports_takes_the_one_beside_the_watched(facts: Facts) -> None:
    assert said(facts, "vm3", "vm6")[:2] == (FIRST, 0)


def test_all_and_uplink(facts: Facts) -> None:
    assert said(facts, "ens1:vf3", "all") == (SECOND, 3, [("all", -1)])
    assert said(facts, "ens1:vf3", "uplink") == (SECOND, 3, [("uplink", -1)])


def test_guests_without_vfs_have_their_interface_on_the_host(facts: Facts) -> None:
    found = resolve("dev:vnet7", "vm5", facts)
    assert (found.pf, found.sources[0].kind, found.sources[0].guest) == ("", "guest-nic", "vm5")
    assert found.as_variables()["monitor"] == {"kind": "interface", "interface": "vnet7", "label": "vnet7"}


@pytest.mark.parametrize(
    ("monitor", "sources", "code"),
    [
        ("vm1", "vm1", "NFV-MIRROR-002"),
        ("ens1:vf0", "vm1", "NFV-MIRROR-002"),
        ("dev:eth7", "dev:eth7", "NFV-MIRROR-002"),
        ("vm9", "vm1", "NFV-MIRROR-020"),
        ("vm3", "vm11", "NFV-MIRROR-020"),
        ("vm3", "", "NFV-MIRROR-020"),
        ("vm3", "all,vm1", "NFV-MIRROR-020"),
        ("vm1", "vm6", "NFV-MIRROR-021"),
        ("vm3", "vm1,vm6", "NFV-MIRROR-021"),
        ("vm5", "vm1", "NFV-MIRROR-021"),
        ("vm3", "all", "NFV-MIRROR-022"),
        ("ens1:vf9", "vm1", "NFV-ATTACH-003"),
        ("ens9:vf0", "vm1", "NFV-ATTACH-003"),
    ],
)
def test_what_makes_no_sense_is_refused(facts: Facts, monitor: str, sources: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(monitor, sources, facts)
    assert caught.value.code == code and caught.value.fix


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        ("vm1", SECOND),
        (" vm1 , ens1:vf3", SECOND),
        ("vm6", FIRST),
        ("vm3,vm6", FIRST),  # vm3 is on both
        ("vm3", ""),  # which of its two?
        ("vm1,vm6", ""),  # on no common port: it is refused when the rule is resolved
        ("vm5", ""),  # no VF at all
        ("vm1,vm5", ""),
        ("all", ""),
        ("uplink", ""),
        ("", ""),
    ],
)
def test_the_port_of_those_who_are_watched(facts: Facts, sources: str, wanted: str) -> None:
    assert port_of(sources, facts) == wanted


def test_a_port_of_nobody(facts: Facts) -> None:
    with pytest.raises(UsageError) as caught:
        port_of("vm1,vm99", facts)
    assert caught.value.code == "NFV-MIRROR-020"


@pytest.mark.parametrize(("text", "wanted"), [("", 0), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1d", 86400)])
def test_durations(text: str, wanted: int) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["soon", "2", "-1h", "0s", "1h and a bit", "9999d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match="no time that a rule could stand"):
        seconds(text)


def rule(rule_id: str, label: str, index: int = 2) -> dict[str, Any]:
    monitor = {"kind": "vf", "index": index, "label": label, "guest": "", "interface": ""}
    return {"rule_id": rule_id, "pf": SECOND, "monitor": monitor}


def test_rules_by_id_by_monitor_or_all() -> None:
    known = {"host1": [rule("m1", "vm3"), rule("m2", "vm3"), rule("m3", "vm4", 3)], "host2": []}
    assert chosen(["m1"], known) == {"host1": ["m1"]}
    assert chosen(["vm3"], known) == {"host1": ["m1", "m2"]}
    assert chosen([f"{SECOND}:vf3", "m1"], known) == {"host1": ["m3", "m1"]}
    assert chosen([], known) == {"host1": ["m1", "m2", "m3"]}
    tap = {"kind": "interface", "index": -1, "interface": "vnet3", "guest": "", "label": "vnet3"}
    known["host1"][2] |= {"monitor": tap}
    assert chosen(["dev:vnet3"], known) == chosen(["vnet3"], known) == {"host1": ["m3"]}


@pytest.mark.parametrize(("word", "code"), [("m9", "NFV-MIRROR-003"), ("m1", "NFV-MIRROR-024")])
def test_rules_that_are_not_clear(word: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen([word], {"host1": [rule("m1", "vm3")], "host2": [rule("m1", "vm3")]})
    assert caught.value.code == code
