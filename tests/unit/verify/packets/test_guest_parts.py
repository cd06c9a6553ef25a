# SPDX-License-Identifier: Apache-2.0
"""What is pure about measuring into a guest: VFs, counters of the host, sources by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nfvcap.agent.options import GenerateOptions
from nfvcap.errors import UsageError
from nfvcap.verify.packets.engines.observers import counted
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.path import Order
from nfvcap.verify.packets.sources.agent import AgentSource
from nfvcap.verify.packets.sources.named import opened
from nfvcap.verify.packets.sources.origin import Origin
from nfvcap.verify.packets.traffic import traffic
from tests.unit.attach.hosts import PORT1, plain, typed
from tests.unit.attach.hosts import vfs_of as host_vfs


def seen(*vfs: dict[str, Any], state: str = "running") -> dict[str, Any]:
    interfaces = [{"name": "eth1", "mac": "02:00:00:00:00:99", "addresses": [], "pci": None}]
    return {"name": "vm1", "state": state, "vfs": list(vfs), "agent": True, "interfaces": interfaces}


def entry(index: int = 0, interface: str | None = "eth1", mac: str | None = None) -> dict[str, Any]:
    address = host_vfs(plain(), PORT1)[index]["address"]
    return {"address": address, "guest_address": None, "mac": mac, "interface": interface}


def test_the_address_that_the_card_delivers_to_the_vf_is_the_one_sent_to() -> None:
    facts = plain()
    host_vfs(facts, PORT1)[0] |= {"vlan": 100, "mac": "02:00:00:81:00:00"}
    (vf,) = vfs_of(seen(entry()), typed(facts))
    # A monitor's guest shows another one: the card has lent it the address of whom it watches.
    assert (vf.mac, vf.vlan, vf.pf, vf.pf_driver, vf.interface) == ("02:00:00:81:00:00", 100, PORT1, "kernel", "eth1")
    assert vf.layout.dst_mac == bytes.fromhex("020000810000") and vf.layout.tags[0].control == 100
    host_vfs(facts, PORT1)[0]["mac"] = "00:00:00:00:00:00"
    (own,) = vfs_of(seen(entry()), typed(facts))
    assert own.mac == "02:00:00:00:00:99"
    host_vfs(facts, PORT1)[0]["mac"] = "02:00:00:81:00:00"
    (vf,) = vfs_of(seen(entry(interface=None)), typed(facts))
    assert vf.mac == "02:00:00:81:00:00" and vf.interface == ""


def test_a_pf_on_vfio_pci_is_one_of_dpdk() -> None:
    facts = plain()
    next(nic for nic in facts["nics"] if nic["address"] == PORT1)["driver"] = "vfio-pci"
    assert vfs_of(seen(entry()), typed(facts))[0].pf_driver == "DPDK"


@pytest.mark.parametrize(
    ("guest", "code"),
    [
        (seen(entry(), state="off"), "NFV-PKT-209"),
        (seen(), "NFV-PKT-209"),
        (seen({**entry(), "address": "0000:00:19.0"}), "NFV-PKT-209"),
        (seen(entry(interface=None)), "NFV-PKT-212"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_fix(guest: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        vfs_of(guest, typed(plain()))
    assert refused.value.code == code and refused.value.fix


def test_counters_of_the_host_become_rows() -> None:
    link = [{"ifname": "ens1", "vfinfo_list": [
        {"vf": 0, "stats": {"rx": {"packets": 9, "dropped": 7}}}, {"vf": 1, "stats": {"rx": {"dropped": 9}}}, {"vf": 2},
    ]}]  # fmt: skip
    assert counted(["3", "5", json.dumps(link)], [0]) == {"pf_crc": 3, "pf_missed": 5, "vf_dropped": 7}
    assert counted(["3", "5", json.dumps(link)], [2]) == {"pf_crc": 3, "pf_missed": 5}
    assert counted(["0", "0"], [0]) == {"pf_crc": 0, "pf_missed": 0}


def test_a_wire_leads_to_one_port_of_a_lab_only() -> None:
    vf = GuestVf("0000:03:10.0", "0000:03:00.0", "kernel", 0, "02:00:00:00:00:01", 0, 0, "eth0", "")
    with pytest.raises(UsageError) as refused, opened(Origin("lab", "lab"), [vf]):
        pass
    assert refused.value.code == "NFV-PKT-211"


@pytest.mark.parametrize("drops", [True, False])
def test_a_port_of_a_source_waits_unless_it_is_the_capture_s_own_ring(
    drops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    @contextmanager
    def generator(source: AgentSource, options: GenerateOptions, place: Path) -> Iterator[Any]:
        asked.extend(options.argv())
        yield SimpleNamespace(argv=[])

    monkeypatch.setattr(AgentSource, "_generator", generator)
    agent: Any = SimpleNamespace(program="agent")
    with AgentSource(agent, "0000:81:00.0", "port", drops=drops).sending(Order(traffic("64"), 100, 1000)):
        assert ("--when-full" in asked) == drops
