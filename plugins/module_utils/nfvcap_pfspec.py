# SPDX-License-Identifier: Apache-2.0
"""PFs, VFs and pools of huge pages as modules take them: the lists that a plan has in ``desired``."""

from __future__ import annotations

from typing import Any

from .nfvcap_hugepages import Pool
from .nfvcap_sriov import PfWanted
from .nfvcap_vfattr import VfWanted

# Suboptions for the administrative attributes of a VF beside its MAC address.
VF_ATTRIBUTES: dict[str, Any] = {
    "vlan": {"type": "int"},
    "qos": {"type": "int"},
    "trust": {"type": "bool"},
    "spoofchk": {"type": "bool"},
    "min_tx_rate_mbps": {"type": "int"},
    "max_tx_rate_mbps": {"type": "int"},
    "link_state": {"type": "str", "choices": ["auto", "enable", "disable"]},
}
_VF: dict[str, Any] = {
    "index": {"type": "int", "required": True},
    "mac": {"type": "str"},
    **VF_ATTRIBUTES,
    "driver": {"type": "str", "default": ""},
    "address": {"type": "str"},
}
# Suboptions of `pfs`. What only people read (names, nodes, expected addresses) is accepted, and not used.
PF: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "num_vfs": {"type": "int", "required": True},
    "admin_up": {"type": "bool", "default": True},
    "vfs": {"type": "list", "elements": "dict", "default": [], "options": _VF},
    "name": {"type": "str"},
    "node": {"type": "int"},
}


POOL: dict[str, Any] = {
    "node": {"type": "int", "required": True},
    "size_bytes": {"type": "int", "required": True},
    "count": {"type": "int", "required": True},
    "when": {"type": "str", "choices": ["boot", "runtime"], "default": "runtime"},
}


def as_pools(pools: list[dict[str, Any]]) -> list[Pool]:
    """Typed pools from module parameters; those that are made at boot come with kernel arguments and are left out."""
    return [Pool(pool["node"], pool["size_bytes"], pool["count"]) for pool in pools if pool["when"] == "runtime"]


def as_pfs(pfs: list[dict[str, Any]]) -> list[PfWanted]:
    """Typed PFs from module parameters."""
    return [
        PfWanted(
            pf["address"].lower(),
            pf["num_vfs"],
            tuple(VfWanted(**{key: value for key, value in vf.items() if key != "address"}) for vf in pf["vfs"]),
            pf["admin_up"],
        )
        for pf in pfs
    ]
