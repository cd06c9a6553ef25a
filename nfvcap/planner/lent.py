# SPDX-License-Identifier: Apache-2.0
"""VFs whose address is lent from another VF by a mirror rule, as the host's ledger says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LENDS = "igbmac"


def lent_addresses(ledger: Mapping[str, Any] | None) -> frozenset[tuple[str, int]]:
    """(PF address, VF index) of each monitor that has the address of the VF it watches."""
    entries = (ledger or {}).get("entries", {})
    rules = [entry["rule"] for entry in entries.values() if entry.get("kind") == "mirror"]
    return frozenset((str(rule["pf"]), int(rule["monitor"]["index"])) for rule in rules if rule["backend"] == _LENDS)
