# SPDX-License-Identifier: Apache-2.0
"""Which inventory is meant when none is named, and where that was decided."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nfvcap.errors import UsageError
from nfvcap.paths import data_dir

VARIABLE = "NFVCAP_INVENTORY"
_HERE = ("inventory.yml", "inventory.yaml", "inventory/hosts.yml", "inventory/hosts.yaml", "hosts.yml")
# Shipped examples are no inventory of anybody.
_EXAMPLES = {"example.yml", "lab.yml"}


def find(named: Sequence[Path]) -> tuple[tuple[Path, ...], str]:
    """The inventory sources and, in words, why these.

    Raises:
        UsageError: NFV-CLI-002 when one that was named does not exist.
    """
    if named:
        return _existing(named, "named with -i"), "named with -i"
    if value := os.environ.get(VARIABLE, ""):
        paths = [Path(part) for part in value.split(os.pathsep) if part]
        return _existing(paths, f"named by {VARIABLE}"), f"named by {VARIABLE}"
    for name in _HERE:
        if Path(name).is_file():
            return (Path(name),), "found here"
    folder = Path("inventory")
    own = sorted(path for suffix in ("*.yml", "*.yaml") for path in folder.glob(suffix) if path.name not in _EXAMPLES)
    if own:
        return tuple(own), "found here"
    return (data_dir() / "inventory" / "lab.yml",), "the shipped lab inventory, since there is none here"


def _existing(paths: Sequence[Path], origin: str) -> tuple[Path, ...]:
    for path in paths:
        if not path.exists():
            raise UsageError(
                "NFV-CLI-002", f"there is no inventory {path}", origin, "check the path; it is relative to the "
                f"current directory {Path.cwd()}",
            )  # fmt: skip
    return tuple(paths)
