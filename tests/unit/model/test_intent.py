# SPDX-License-Identifier: Apache-2.0
"""What an intent may say, and that everything wrong with it is said at once."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from nfvcap.model.intent import Intent
from nfvcap.model.intent_parse import Problem, allowed_keys, dotted, parse_intent
from nfvcap.model.units import GIB, MIB

PORT = {"pf": "0000:81:00.0", "vfs": 4}
GUEST = {"vcpus": 1, "memory": "1G"}


def problems(raw: Any) -> list[Problem]:
    intent, found = parse_intent(raw)
    assert (intent is None) == bool(found)
    return found


def only(raw: Any) -> Problem:
    (found,) = problems(raw)
    return found


def test_everything_in_its_full_form() -> None:
    raw = yaml.safe_load("""
        iommu: {passthrough: false}
        hugepages: [{size: 2M, node: 1, count: 512}, {size: 1GiB, node: 0, memory: 8G}]
        hugepages_reserve: 1G
        cpus: {housekeeping: "0-1", isolate: [4, "6-7"]}
        pfs:
          - pf: "0000:81:00.0"
            vfs: 4
            driver: vfio-pci
            vf_defaults: {trust: false, spoofchk: true, link_state: auto, vlan: 0, qos: 0, max_tx_rate: 1Gbit}
            vf: {0: {mac: "02:00:00:00:00:0A", vlan: 100, qos: 3, driver: kernel}, "1": {max_tx_rate: 500}}
          - {pf: ens5f0, vfs: 0}
        guests:
          vm1: {vcpus: 2, memory: 2G, hugepage_size: auto, pf: "0000:81:00.0", vfs: 1, node: auto}
          vm2: {vcpus: 1, memory: 8G, hugepage_size: 1G, node: 1}
        vfio: {options: {disable_idle_d3: "1", enable_sriov: true, ids: 8086}}
        kvm: true
        kernel_args: [mitigations=off, nosmt]
    """)
    intent, found = parse_intent(raw)
    assert found == []
    assert intent is not None
    assert intent.cpus.isolate == (4, 6, 7)
    assert intent.pfs[0].vf[0].mac == "02:00:00:00:00:0a"
    assert intent.pfs[0].vf[1].max_tx_rate_mbps == 500
    assert [pool.pages for pool in intent.hugepages or ()] == [512, 8]
    assert [guest.vf_count for guest in intent.guests.values()] == [1, 0]
    assert intent.vfio.options == {"disable_idle_d3": "1", "enable_sriov": "1", "ids": "8086"}


def test_nothing_is_a_valid_wish() -> None:
    intent, found = parse_intent({})
    assert (intent, found) == (Intent(), [])
    assert not Intent().wants_kvm


def test_auto_and_none() -> None:
    intent, _ = parse_intent({"hugepages": "auto", "cpus": {"housekeeping": "auto", "isolate": "none"}})
    assert intent is not None
    assert (intent.hugepages, intent.cpus.housekeeping, intent.cpus.isolate) == (None, None, ())


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_the_variable_must_be_a_mapping(value: Any) -> None:
    assert "is not a mapping" in only(value).what


@pytest.mark.parametrize(
    ("raw", "where", "what", "fix"),
    [
        ({"hugepags": "auto"}, "nfvcap.hugepags", "unknown key 'hugepags'", "did you mean hugepages?"),
        ({"xyz": 1}, "nfvcap.xyz", "unknown key 'xyz'", "allowed here: iommu, hugepages,"),
        ({"cpus": {"isolated": []}}, "nfvcap.cpus.isolated", "unknown key", "did you mean isolate?"),
        ({"hugepages": "some"}, "nfvcap.hugepages", "neither auto nor a list", "- {size: 2M"),
        (
            {"hugepages": [{"size": "4K", "node": 0, "count": 1}]},
            "nfvcap.hugepages[0].size", "no huge page size", "2M or 1G",
        ),
        ({"hugepages": [{"size": "2M", "node": 0}]}, "nfvcap.hugepages[0]", "neither count nor memory", "exactly one"),
        (
            {"hugepages": [{"size": "2M", "node": 0, "count": 1, "memory": "2M"}]},
            "nfvcap.hugepages[0]", "both count and memory", "exactly one",
        ),
        (
            {"hugepages": [{"size": "1G", "node": 0, "memory": "1536M"}]},
            "nfvcap.hugepages[0].memory", "1.5 GiB is not a whole number of pages of 1 GiB", "2GiB",
        ),
        (
            {"hugepages": [{"size": "2M", "node": 0, "count": 1}] * 2},
            "nfvcap.hugepages[1]", "node 0 has pages of 2 MiB twice", "join",
        ),
        ({"cpus": {"housekeeping": "3-1"}}, "nfvcap.cpus.housekeeping", "'3-1' runs backwards", ""),
        ({"cpus": {"housekeeping": True}}, "nfvcap.cpus.housekeeping", "True is not a CPU list", "0-1"),
        ({"cpus": {"housekeeping": [0, 1], "isolate": "1-3"}}, "nfvcap.cpus.isolate", "CPU 1 is both", ""),
        ({"pfs": {}}, "nfvcap.pfs", "{} is not a list", ""),
        ({"pfs": [{"vfs": 1}]}, "nfvcap.pfs[0]", "pf is missing", "add pf"),
        ({"pfs": [{"pf": "81:00.0", "vfs": 1}]}, "nfvcap.pfs[0].pf", "lacks the PCI domain", '"0000:81:00.0"'),
        ({"pfs": [{"pf": 300.0, "vfs": 1}]}, "nfvcap.pfs[0].pf", "the number 300.0", "quotes"),
        ({"pfs": [{"pf": "a b", "vfs": 1}]}, "nfvcap.pfs[0].pf", "neither a PCI address nor", ""),
        ({"pfs": [{"pf": "eth0", "vfs": -1}]}, "nfvcap.pfs[0].vfs", "-1 is out of range", "at least 0"),
        ({"pfs": [{"pf": "eth0", "vfs": True}]}, "nfvcap.pfs[0].vfs", "True is not a whole number", ""),
        ({"pfs": [PORT, PORT]}, "nfvcap.pfs[1].pf", "0000:81:00.0 is listed twice", "join"),
        ({"pfs": [PORT | {"driver": "vfio"}]}, "nfvcap.pfs[0].driver", "no driver 'vfio'", "did you mean vfio-pci?"),
        ({"pfs": [PORT | {"vf": {4: {}}}]}, "nfvcap.pfs[0].vf[4]", "there is no VF 4", "raise vfs to 5"),
        (
            {"pfs": [PORT | {"vf": {0: {"vlan": 4095}}}]},
            "nfvcap.pfs[0].vf[0].vlan", "4095 is out of range", "0 to 4094",
        ),
        (
            {"pfs": [PORT | {"vf": {0: {"qos": 8, "vlan": 1}}}]},
            "nfvcap.pfs[0].vf[0].qos", "8 is out of range", "0 to 7",
        ),
        ({"pfs": [PORT | {"vf": {0: {"qos": 1}}}]}, "nfvcap.pfs[0].vf[0]", "qos without a vlan", "give a vlan"),
        ({"pfs": [PORT | {"vf_defaults": {"qos": 1}}]}, "nfvcap.pfs[0].vf_defaults", "qos without a vlan", ""),
        (
            {"pfs": [PORT | {"vf": {0: {"min_tx_rate": "2G"}}, "vf_defaults": {"max_tx_rate": "1G"}}]},
            "nfvcap.pfs[0].vf[0]", "min_tx_rate 2000 is above max_tx_rate 1000", "",
        ),
        (
            {"pfs": [PORT | {"vf_defaults": {"max_tx_rate": "quick"}}]},
            "nfvcap.pfs[0].vf_defaults.max_tx_rate", "not a rate", "",
        ),
        (
            {"pfs": [PORT | {"vf_defaults": {"link_state": "atuo"}}]},
            "nfvcap.pfs[0].vf_defaults.link_state", "", "mean auto?",
        ),
        ({"pfs": [PORT | {"vf_defaults": {"trust": "maybe"}}]}, "nfvcap.pfs[0].vf_defaults.trust", "true or false", ""),
        (
            {"pfs": [PORT | {"vf": {0: {"mac": "03:00:00:00:00:01"}}}]},
            "nfvcap.pfs[0].vf[0].mac", "a multicast address", '"02:00:00:00:00:01"',
        ),
        ({"pfs": [PORT | {"vf": {0: {"mac": "02:00"}}}]}, "nfvcap.pfs[0].vf[0].mac", "not a MAC address", ""),
        ({"pfs": [PORT | {"vf": {0: {"mac": 5254}}}]}, "nfvcap.pfs[0].vf[0].mac", "the number 5254", "quotes"),
        ({"pfs": [PORT | {"vf": {0: {"mac": "00:00:00:00:00:00"}}}]}, "nfvcap.pfs[0].vf[0].mac", "all-zero", ""),
        (
            {"pfs": [PORT | {"vf": {0: {"mac": "02:00:00:00:00:01"}, 1: {"mac": "02-00-00-00-00-01"}}}]},
            "nfvcap.pfs[0].vf[1].mac", "MAC address 02:00:00:00:00:01 is given twice", "another",
        ),
        ({"guests": {"a b": {"vcpus": 1, "memory": "1G"}}}, "nfvcap.guests.a b", "not a guest name", ""),
        ({"guests": {"vm1": None}}, "nfvcap.guests.vm1", "there is no value", "give one"),
        (
            {"guests": {"vm1": {"vcpus": 0, "memory": "1G"}}},
            "nfvcap.guests.vm1.vcpus", "0 is out of range", "at least 1",
        ),
        ({"guests": {"vm1": {"vcpus": 1, "memory": 2}}}, "nfvcap.guests.vm1.memory", "2 would be 2 bytes", "2M or 2G"),
        ({"guests": {"vm1": {"vcpus": 1, "memory": "3M"}}}, "nfvcap.guests.vm1.memory", "whole number of 2 MiB", "4M"),
        (
            {"guests": {"vm1": {"vcpus": 1, "memory": "1G", "pf": "eth0"}}},
            "nfvcap.guests.vm1", "no port is listed under pfs", "add the port",
        ),
        (
            {"pfs": [PORT], "guests": {"vm1": {"vcpus": 1, "memory": "1G", "pf": "0000:81:00.1"}}},
            "nfvcap.guests.vm1.pf", "not listed under pfs", "did you mean 0000:81:00.0?",
        ),
        (
            {"pfs": [PORT], "guests": {name: GUEST | {"pf": PORT["pf"], "vfs": 3} for name in ("a", "b")}},
            "nfvcap.guests.b", "want 6 VFs of 0000:81:00.0, which has 4", "raise its vfs to 6",
        ),
        ({"guests": {"vm1": GUEST | {"vfs": 5, "vf_slots": 4}}, "pfs": [PORT | {"vfs": 5}]},
         "nfvcap.guests.vm1.vf_slots", "5 VFs do not fit into 4 slots", "raise vf_slots"),
        ({"guests": {"vm1": GUEST | {"inside": {"hugepages": "1000M"}}}},
         "nfvcap.guests.vm1.inside.hugepages", "cannot be huge pages of a guest with 1 GiB", "768M"),
        ({"guests": {"vm1": GUEST | {"inside": {"hugepages": "3M"}}}},
         "nfvcap.guests.vm1.inside.hugepages", "3 MiB cannot be huge pages", "4M"),
        ({"guests": {"vm1": GUEST | {"inside": {"kernel_args": ["isolcpus=1"]}}}},
         "nfvcap.guests.vm1.inside.kernel_args[0]", "decided by the plan", "see inside"),
        ({"guests": {"vm1": GUEST | {"image": {"kernel": "/k", "initrd": "/i", "disk": "/d"}}}},
         "nfvcap.guests.vm1.image", "both a kernel and a disk", "give"),
        ({"guests": {"vm1": GUEST | {"image": {"kernel": "/k"}}}},
         "nfvcap.guests.vm1.image", "belong together", "both"),
        ({"guests": {"vm1": GUEST | {"image": {"kernel": "/k", "initrd": "/i", "size": "9G"}}}},
         "nfvcap.guests.vm1.image", "are for a cloud image", "give disk"),
        ({"guests": {"vm1": GUEST | {"image": {"disk": "debian.qcow2"}}}},
         "nfvcap.guests.vm1.image.disk", "not an absolute path", "/var/lib"),
        ({"guests": {"vm1": GUEST | {"cpu": "a b"}}}, "nfvcap.guests.vm1.cpu", "not a CPU model", "host-passthrough"),
        ({"vfio": {"options": {"a": []}}}, "nfvcap.vfio.options.a", "not the value of a module option", ""),
        ({"vfio": {"options": {"a b": 1}}}, "nfvcap.vfio.options.a b", "not the name of a module option", ""),
        ({"kernel_args": ["isolcpus=3"]}, "nfvcap.kernel_args[0]", "decided by the plan", "cpus: {isolate"),
        ({"kernel_args": ["a", "a"]}, "nfvcap.kernel_args[1]", "listed twice", ""),
        ({"kernel_args": ["a b"]}, "nfvcap.kernel_args[0]", "without blanks", ""),
        ({"kernel_args": ["a=$(reboot)"]}, "nfvcap.kernel_args[0]", "not one kernel argument", ""),
        ({"kernel_args": ['a"b']}, "nfvcap.kernel_args[0]", "not one kernel argument", ""),
        ({"kvm": "perhaps"}, "nfvcap.kvm", "true or false", ""),
    ],
)  # fmt: skip
def test_one_mistake_one_problem(raw: Any, where: str, what: str, fix: str) -> None:
    found = only(raw)
    assert dotted(found.path) == where
    assert what in found.what
    assert fix in found.fix


def test_all_mistakes_at_once_in_the_order_of_the_document() -> None:
    raw = {
        "kvm": "perhaps",
        "pfs": [{"pf": 3}, {"pf": "eth0", "vfs": 2, "vf": {7: {}, 0: {"mac": "x"}}}, {"pf": "eth0", "vfs": 1}],
        "guests": {"vm1": {"vcpus": 1}},
        "hugepages": [{"size": "3M", "node": 0, "count": 1}, {"size": "2M", "node": 0}],
    }
    assert [dotted(problem.path) for problem in problems(raw)] == [
        "nfvcap.kvm",
        "nfvcap.pfs[0]", "nfvcap.pfs[0].pf",
        "nfvcap.pfs[1].vf[7]", "nfvcap.pfs[1].vf[0].mac",
        "nfvcap.pfs[2].pf",
        "nfvcap.guests.vm1",
        "nfvcap.hugepages[0].size", "nfvcap.hugepages[1]",
    ]  # fmt: skip


def test_a_wrong_value_is_not_reported_a_second_time_as_missing() -> None:
    found = problems({"guests": {"vm1": {"vcpus": "many", "memory": "1G"}}})
    assert [problem.what for problem in found] == ["'many' is not a whole number"]


def test_numbers_may_come_as_text_from_templates() -> None:
    intent, found = parse_intent({"pfs": [{"pf": "eth0", "vfs": "3"}], "guests": {"a": {"vcpus": "2", "memory": "1G"}}})
    assert found == []
    assert intent is not None
    assert (intent.pfs[0].vfs, intent.guests["a"].vcpus, intent.guests["a"].memory_bytes) == (3, 2, GIB)


def test_allowed_keys_at_any_depth() -> None:
    assert allowed_keys(("pfs", 0, "vf", 3))[:2] == ["vlan", "qos"]
    assert allowed_keys(("guests", "vm1"))[0] == "vcpus"
    assert "memory" in allowed_keys(("hugepages", 2))
    assert allowed_keys(("kvm",)) == []


def test_both_rates_may_be_the_same() -> None:
    assert parse_intent({"pfs": [PORT | {"vf_defaults": {"min_tx_rate": 500, "max_tx_rate": 500}}]})[1] == []


def test_the_smallest_guest() -> None:
    intent, _ = parse_intent({"guests": {"a": {"vcpus": 1, "memory": "2M"}}})
    assert intent is not None
    assert intent.guests["a"].memory_bytes == 2 * MIB
    assert intent.wants_kvm
