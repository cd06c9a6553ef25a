# SPDX-License-Identifier: Apache-2.0
"""The fingerprint of the judged machine: what has to be the same before two results may be compared."""

from __future__ import annotations

import shlex
from typing import Any

from nfvcap.verify.pci import Pci
from nfvcap.verify.snapshot import Snapshot


def fingerprint(snapshot: Snapshot, pci: Pci) -> dict[str, Any]:
    """Machine, system, kernel, CPU and SR-IOV NICs, as plain JSON."""
    release = _assignments(snapshot.text("/etc/os-release") or "")
    cpu = dict(_fields(snapshot.text("/proc/cpuinfo") or ""))
    drivers: dict[str, dict[str, str]] = snapshot.raw["net_drivers"]
    return {
        "hostname": snapshot.raw["hostname"],
        "machine": snapshot.text("/sys/class/dmi/id/product_name"),
        "bios": snapshot.text("/sys/class/dmi/id/bios_version"),
        "os": release.get("PRETTY_NAME"),
        "kernel": snapshot.raw["kernel"],
        "cmdline": snapshot.text("/proc/cmdline"),
        "cpu": cpu.get("model name"),
        "microcode": cpu.get("microcode"),
        "nics": [
            {
                "address": nic.address,
                "id": f"{nic.vendor}:{nic.device}",
                "driver": nic.driver,
                "node": nic.node,
                "vfs": nic.num_vfs,
                "driver_version": drivers.get(name, {}).get("version"),
                "firmware": drivers.get(name, {}).get("firmware"),
            }
            for nic in pci.devices.values()
            if nic.num_vfs is not None
            for name in [nic.interfaces[0] if nic.interfaces else ""]
        ],
    }


def _assignments(text: str) -> dict[str, str]:
    """``KEY="value"`` lines."""
    return {
        key: " ".join(shlex.split(value))
        for line in text.splitlines()
        for key, eq, value in [line.partition("=")]
        if eq
    }


def _fields(text: str) -> list[tuple[str, str]]:
    """``name : value`` lines."""
    return [(key.strip(), value.strip()) for line in text.splitlines() for key, _, value in [line.partition(":")]]
