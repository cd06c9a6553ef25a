# SPDX-License-Identifier: Apache-2.0
"""Memory of a machine by NUMA node, and its huge pages by node and size."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_machine import Machine
from .nfvcap_topology import node_ids

_NODES = "/sys/devices/system/node"
_LINE = re.compile(r"^(?:Node \d+ )?([\w()]+):\s+(\d+)", re.M)
# What the kernel gives back when huge pages are asked for: clean page cache and reclaimable slab.
_RECLAIMABLE = ("Active(file)", "Inactive(file)", "SReclaimable")


def read_nodes(machine: Machine) -> list[dict[str, Any]]:
    """The part `nodes` of the facts; a kernel without NUMA has one node 0."""
    nodes = node_ids(machine)
    if not nodes:
        return [_node(machine, 0, "/proc/meminfo", "/sys/kernel/mm/hugepages", [10])]
    return [_numa_node(machine, node) for node in nodes]


def _numa_node(machine: Machine, node: int) -> dict[str, Any]:
    folder = f"{_NODES}/node{node}"
    distances = machine.numbers(f"{folder}/distance", lambda text: list(map(int, (text or "").split())))
    return _node(machine, node, f"{folder}/meminfo", f"{folder}/hugepages", distances)


def _node(machine: Machine, node: int, meminfo: str, hugepages: str, distances: list[int]) -> dict[str, Any]:
    bytes_of = {name: int(kilobytes) << 10 for name, kilobytes in _LINE.findall(machine.read(meminfo) or "")}
    if "MemTotal" not in bytes_of:
        machine.problem(f"{meminfo} does not tell the memory of node {node}")
    free = bytes_of.get("MemFree", 0)
    return {
        "id": node,
        "memory_total_bytes": bytes_of.get("MemTotal", 0),
        "memory_free_bytes": free,
        "memory_available_bytes": free + sum(bytes_of.get(name, 0) for name in _RECLAIMABLE),
        "distances": distances,
        "hugepages": [_pool(machine, f"{hugepages}/{name}") for name in _by_size(machine.listdir(hugepages))],
    }


def _by_size(names: list[str]) -> list[str]:
    return sorted((name for name in names if re.fullmatch(r"hugepages-\d+kB", name)), key=_size_bytes)


def _size_bytes(folder: str) -> int:
    return int(folder.rsplit("-", 1)[1][:-2]) << 10


def _pool(machine: Machine, folder: str) -> dict[str, int]:
    return {
        "size_bytes": _size_bytes(folder),
        "total": machine.number(f"{folder}/nr_hugepages") or 0,
        "free": machine.number(f"{folder}/free_hugepages") or 0,
        "surplus": machine.number(f"{folder}/surplus_hugepages") or 0,
    }


def default_page_size(machine: Machine) -> int | None:
    """Size in bytes of the huge pages that come when no size is asked for."""
    found = re.search(r"^Hugepagesize:\s+(\d+) kB", machine.read("/proc/meminfo") or "", re.M)
    return int(found[1]) << 10 if found else None
