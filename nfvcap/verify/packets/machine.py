# SPDX-License-Identifier: Apache-2.0
"""The fingerprint of this machine and of the placement on it: what has to be the same before figures are compared."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nfvcap.verify.reader import Snapshot, read_interfaces

# What differs from run to run, or names the machine without changing what it can do.
_NOT_COMPARED = frozenset({"hostname", "load"})
HOLDERS = "holders"
"""Of a NIC: who has which VF. It is drawn and not compared: a guest captures neither faster nor slower for the name of
another guest, and the guest that captures is told by itself."""


def environment(
    root: Path = Path("/"), drivers: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:  # fmt: skip
    """CPU, microcode, BIOS, kernel, command line, NUMA nodes, huge pages, isolation, NICs; plain JSON.

    Args:
        root: where /proc, /sys and /etc are.
        drivers: of each interface the version of its driver, and the firmware; None: this machine's kernel is asked.
    """
    said = read_interfaces(Snapshot()) if drivers is None else drivers

    def text(path: str) -> str:
        try:
            return (root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    cpu = dict(_fields(text("proc/cpuinfo")))
    return {
        "hostname": os.uname().nodename,
        "machine": text("sys/class/dmi/id/product_name"),
        "bios": text("sys/class/dmi/id/bios_version"),
        "os": next((line.split("=", 1)[1].strip('"') for line in text("etc/os-release").splitlines()
                    if line.startswith("PRETTY_NAME=")), ""),
        "kernel": text("proc/sys/kernel/osrelease"),
        "cmdline": text("proc/cmdline"),
        "cpu": cpu.get("model name", ""),
        "microcode": cpu.get("microcode", ""),
        "governor": text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": text("sys/devices/system/cpu/smt/control"),
        "isolated_cpus": text("sys/devices/system/cpu/isolated"),
        "nodes": [_node(path) for path in sorted((root / "sys/devices/system/node").glob("node[0-9]*"))],
        "nics": [
            nic for path in sorted((root / "sys/class/net").glob("*"))
            if (nic := _nic(path, said.get(path.name, {}))) is not None
        ],
    }  # fmt: skip


def fingerprint(environment: Mapping[str, Any]) -> str:
    """Digest of everything in it that decides about speed; 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(_compared(environment), sort_keys=True).encode()).hexdigest()[:16]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, here, there) of everything compared that is not the same."""
    one, other = _compared(one), _compared(other)
    keys = dict.fromkeys([*one, *other])
    return [(key, _plain(one.get(key)), _plain(other.get(key))) for key in keys if one.get(key) != other.get(key)]


def _compared(environment: Mapping[str, Any]) -> dict[str, Any]:
    compared = {key: value for key, value in environment.items() if key not in _NOT_COMPARED}
    if "nics" in compared:
        compared["nics"] = [{key: nic[key] for key in nic if key != HOLDERS} for nic in compared["nics"]]
    return compared


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else "–" if value is None else json.dumps(value)


def _node(path: Path) -> dict[str, Any]:
    pages = {
        entry.name.removeprefix("hugepages-"): int((entry / "nr_hugepages").read_text())
        for entry in sorted((path / "hugepages").glob("hugepages-*"))
    }
    memory = (path / "meminfo").read_text().split()
    return {
        "node": int(path.name.removeprefix("node")),
        "cpus": (path / "cpulist").read_text().strip(),
        "memory_mib": int(memory[memory.index("MemTotal:") + 1]) // 1024,
        "hugepages": pages,
    }


def _nic(path: Path, said: Mapping[str, str]) -> dict[str, Any] | None:
    device = path / "device"
    if not (device / "vendor").exists():
        return None

    def text(name: str) -> str:
        return (device / name).read_text().strip() if (device / name).exists() else ""

    vfs = text("sriov_numvfs")
    return {
        "address": device.resolve().name,
        "id": f"{text('vendor').removeprefix('0x')}:{text('device').removeprefix('0x')}",
        "driver": (device / "driver").resolve().name if (device / "driver").exists() else None,
        "node": int(text("numa_node") or -1),
        "vfs": int(vfs) if vfs else None,
        "driver_version": said.get("version") or None,
        "firmware": said.get("firmware") or None,
    }


def _fields(text: str) -> list[tuple[str, str]]:
    return [(key.strip(), value.strip()) for line in text.splitlines() for key, _, value in [line.partition(":")]]
