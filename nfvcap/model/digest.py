# SPDX-License-Identifier: Apache-2.0
"""A fingerprint of facts: equal for two readings of a host in which nothing has changed that a plan depends on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from nfvcap.model.facts import Facts

# What changes by itself from one reading to the next.
_VOLATILE: dict[str, Any] = {
    "collected_at_s": True,
    "notes": True,
    "nodes": {
        "__all__": {
            "memory_free_bytes": True,
            "memory_available_bytes": True,
            "hugepages": {"__all__": {"free"}},
        }
    },
    "nics": {
        "__all__": {
            "link_up": True,
            "speed_mbps": True,
            "holder": {"pid"},
            "sriov": {"vfs": {"__all__": {"holder": {"pid"}}}},
        }
    },
}


def facts_digest(facts: Facts) -> str:
    """SHA-256 (hex) of the facts without free memory, link speed, process numbers, notes and the time of reading."""
    stable = facts.model_dump(mode="json", by_alias=True, exclude=_VOLATILE)
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()
