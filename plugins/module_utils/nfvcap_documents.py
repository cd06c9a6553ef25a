# SPDX-License-Identifier: Apache-2.0
"""Files of a machine as the facts carry them: digest, mode, text."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .nfvcap_machine import Machine

_MOST_TEXT = 64 << 10
# Where driverctl keeps the overrides that it re-applies at boot, one file per device.
DRIVERCTL = "/etc/driverctl.d"


def read_files(machine: Machine, paths: list[str]) -> dict[str, dict[str, Any] | None]:
    """The asked-for files; None for those that are not there. A file that cannot be read is a problem, and None."""
    return {path: _file(machine, path) for path in paths}


def read_overrides(machine: Machine) -> dict[str, str]:
    """PCI address → driver of each record that driverctl re-applies at boot."""
    prefix = "pci-"
    found = {name[len(prefix) :]: machine.value(f"{DRIVERCTL}/{name}") for name in machine.listdir(DRIVERCTL)
             if name.startswith(prefix)}  # fmt: skip
    return {address: driver for address, driver in found.items() if driver is not None}


def _file(machine: Machine, path: str) -> dict[str, Any] | None:
    data = machine.read_bytes(path)
    mode = machine.mode(path)
    if data is None or mode is None:
        return None
    return {"sha256": hashlib.sha256(data).hexdigest(), "mode": f"{mode:04o}", "content": _text(data)}


def _text(data: bytes) -> str | None:
    if len(data) > _MOST_TEXT:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def read_json(machine: Machine, path: str) -> dict[str, Any] | None:
    """A JSON object in a file; None when there is none, and a problem when it is something else."""
    text = machine.read(path)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        machine.problem(f"{path} is no JSON: {error}")
        return None
    if not isinstance(found, dict):
        machine.problem(f"{path} is no JSON object")
        return None
    return found
