# SPDX-License-Identifier: Apache-2.0
"""Inventory variables by host, as Ansible itself merges them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nfvcap.run import run

_TIMEOUT_S = 60


def host_variables(inventory: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Host → variables (templates unevaluated), from one run of ``ansible-inventory``.

    Raises:
        NfvcapError: the inventory cannot be read (NFV-RUN-003 with Ansible's own words).
    """
    beside = Path(sys.executable).with_name("ansible-inventory")
    program = [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", "ansible", "inventory"]
    sources = [word for path in inventory for word in ("-i", str(path))]
    done = run([*program, "--list", *sources], timeout_s=_TIMEOUT_S, env={"ANSIBLE_VERBOSITY": "0"})
    document: dict[str, Any] = json.loads(done.stdout)
    found: dict[str, dict[str, Any]] = {host: {} for host in _members(document, "all")}
    found.update(document.get("_meta", {}).get("hostvars", {}))
    return found


def _members(document: dict[str, Any], group: str) -> list[str]:
    """Hosts of a group and of the groups in it; a host without any variable is named only here."""
    entry = document.get(group, {})
    below = [host for child in entry.get("children", ()) for host in _members(document, child)]
    return [*entry.get("hosts", ()), *below]
