# SPDX-License-Identifier: Apache-2.0
"""The lab server with VFs and guests, as plain data that a test can bend."""

from __future__ import annotations

import copy
from typing import Any

from nfvcap.model.facts import Facts
from tests.unit.planner.machines import PORT0, PORT1, document, lab_spec

UUID = "6f1b0a52-6a7e-4a5e-9a58-3f0f5a3b1c11"


def vf(pf: str, index: int, node: int) -> dict[str, Any]:
    address = f"{pf[:8]}1{index // 4}.{index % 4 * 2}"
    return {
        "index": index, "address": address, "name": None, "driver": "vfio-pci", "driver_override": "vfio-pci",
        "device_id": "10ca", "node": node, "iommu_group": 40 + 10 * node + index, "mac": "00:00:00:00:00:00",
        "vlan": 0, "qos": 0, "trust": False, "spoofchk": True, "min_tx_rate_mbps": 0, "max_tx_rate_mbps": 0,
        "link_state": "auto", "holder": None,
    }  # fmt: skip


def guest(name: str, *, node: int | None = 1, state: str = "running", hostdevs: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": name, "uuid": UUID[:-3] + f"{len(name):02d}{name[-1]}", "state": state, "persistent": True, "vcpus": 2,
        "memory_bytes": 1 << 30, "vcpu_pins": {}, "emulator_pins": [], "hugepage_size_bytes": None,
        "memory_nodes": [] if node is None else [node], "hostdevs": list(hostdevs),
    }  # fmt: skip


def plain(vfs: int = 4) -> dict[str, Any]:
    """Two ports, one per node, with free VFs; vm1 runs on node 1, vm2 is off."""
    facts = copy.deepcopy(document(lab_spec()))
    groups = []
    for nic in facts["nics"]:
        if nic["address"] not in (PORT0, PORT1):
            continue
        node = 0 if nic["address"] == PORT0 else 1
        nic |= {"admin_up": True, "link_up": True, "name": f"ens{node}", "mac": f"52:54:00:6e:66:1{node}"}
        nic["sriov"] |= {"num_vfs": vfs, "vfs": [vf(nic["address"], index, node) for index in range(vfs)]}
        groups += [{"id": one["iommu_group"], "devices": [one["address"]]} for one in nic["sriov"]["vfs"]]
    facts["iommu"] |= {"enabled": True, "groups": groups}
    facts["guests"] = [guest("vm1"), guest("vm2", state="shutoff")]
    return facts


def vfs_of(facts: dict[str, Any], pf: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(nic["sriov"]["vfs"] for nic in facts["nics"] if nic["address"] == pf)
    return found


def attached(pf: str, index: int, name: str, **wanted: Any) -> dict[str, Any]:
    """A ledger with one attachment."""
    entry = {
        "kind": "attach", "state": "attached", "pf": pf, "index": index, "address": vf(pf, index, 1)["address"],
        "guest": {"name": name, "uuid": UUID}, "wanted": wanted, "live": True, "config": True, "before": {},
    }  # fmt: skip
    return {"schema": "nfvcap/ledger/1", "entries": {f"attach:{pf}:{index}": entry}}


def typed(facts: dict[str, Any]) -> Facts:
    return Facts.model_validate(facts)
