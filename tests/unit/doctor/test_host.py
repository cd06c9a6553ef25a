# SPDX-License-Identifier: Apache-2.0
"""Break one thing at a time: exactly the right finding changes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from nfvcap.doctor.host import judge
from nfvcap.model.facts import Facts
from nfvcap.model.result import Verdict
from tests.unit.planner import machines

GOOD = {
    "iommu": {
        "in_acpi": True, "kind": "intel", "enabled": True, "interrupt_remapping": True,
        "groups": [{"id": 7, "devices": ["0000:41:10.0"]}],
    },
}  # fmt: skip
VF = {
    "index": 0, "address": "0000:41:10.0", "name": None, "driver": None, "driver_override": None, "device_id": "10ca",
    "node": 0, "iommu_group": 7, "mac": None, "vlan": None, "qos": None, "trust": None, "spoofchk": None,
    "min_tx_rate_mbps": None, "max_tx_rate_mbps": None, "link_state": None, "holder": None,
}  # fmt: skip


def document() -> dict[str, Any]:
    raw = machines.document(machines.lab_spec()) | deepcopy(GOOD)
    raw["nics"][1]["sriov"] |= {"num_vfs": 1, "vfs": [deepcopy(VF)]}
    return raw


def findings(raw: dict[str, Any]) -> dict[tuple[str, str], Verdict]:
    return {(check.id, check.subject): check.verdict for check in judge(Facts.model_validate(raw))}


def test_a_good_host_has_no_complaint() -> None:
    assert set(findings(document()).values()) == {Verdict.PASS}


def _set(*path: Any, to: Any) -> Any:
    def change(raw: dict[str, Any]) -> None:
        place: Any = raw
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


PORT = "0000:41:00.0 (enp65s0)"


@pytest.mark.parametrize(
    ("change", "check", "subject", "verdict"),
    [
        (_set("os", "family", to="arch"), "NFV-DOC-101", "", Verdict.FAIL),
        (_set("cmdline", "boot_loader", to="unknown"), "NFV-DOC-102", "", Verdict.FAIL),
        (_set("cpu", "virt", to=""), "NFV-DOC-103", "", Verdict.FAIL),
        (_set("iommu", "interrupt_remapping", to=False), "NFV-DOC-106", "", Verdict.WARN),
        (_set("iommu", "interrupt_remapping", to=None), "NFV-DOC-106", "", Verdict.SKIP),
        (_set("security", "lockdown", to="integrity"), "NFV-DOC-107", "", Verdict.WARN),
        (_set("security", "secure_boot", to=True), "NFV-DOC-108", "", Verdict.WARN),
        (_set("cpu", "page_1g", to=False), "NFV-DOC-110", "", Verdict.WARN),
        (_set("nodes", 1, "memory_available_bytes", to=1 << 20), "NFV-DOC-111", "node 1", Verdict.WARN),
        (_set("nics", 1, "driver", to="vfio-pci"), "NFV-DOC-114", PORT, Verdict.WARN),
        (_set("nics", 1, "node", to=None), "NFV-DOC-115", PORT, Verdict.WARN),
        (_set("nics", 1, "eswitch_mode", to="switchdev"), "NFV-DOC-116", PORT, Verdict.WARN),
        (_set("iommu", "groups", to=[{"id": 7, "devices": ["0000:41:10.0", "0000:41:10.2"]}]),
         "NFV-DOC-117", PORT, Verdict.FAIL),
    ],
)  # fmt: skip
def test_one_fault_one_finding(change: Any, check: str, subject: str, verdict: Verdict) -> None:
    raw = document()
    change(raw)
    bad = {key: found for key, found in findings(raw).items() if found is not Verdict.PASS}
    assert bad == {(check, subject): verdict}


def test_without_an_iommu_in_the_firmware_that_is_the_fault() -> None:
    raw = document()
    raw["iommu"] |= {"in_acpi": False, "enabled": False, "interrupt_remapping": None}
    found = findings(raw)
    assert found["NFV-DOC-104", ""] is Verdict.FAIL and found["NFV-DOC-105", ""] is Verdict.WARN


def test_an_iommu_that_works_without_acpi_is_fine() -> None:
    raw = document()
    raw["iommu"]["in_acpi"] = False
    assert set(findings(raw).values()) == {Verdict.PASS}


def test_only_the_port_of_the_login_has_sriov() -> None:
    raw = document()
    raw["nics"] = raw["nics"][1:2]
    raw["nics"][0]["carries"] = ["ssh"]
    assert findings(raw)["NFV-DOC-113", ""] is Verdict.FAIL


def test_no_port_with_sriov_at_all() -> None:
    raw = document()
    raw["nics"] = raw["nics"][:1]
    bad = {key for key, verdict in findings(raw).items() if verdict is not Verdict.PASS}
    assert bad == {("NFV-DOC-112", "")}


def test_what_is_not_in_order_says_how_to_fix_it() -> None:
    raw = document()
    raw["cpu"]["virt"] = ""
    for check in judge(Facts.model_validate(raw)):
        assert bool(check.fix) is (check.verdict is not Verdict.PASS)
