# SPDX-License-Identifier: Apache-2.0
"""CPUs of a machine: which thread is on which core, socket and NUMA node, and what is set apart."""

from __future__ import annotations

import re
from typing import Any

from .nfvcap_machine import Machine
from .nfvcap_numbers import parse_mask

_CPUS = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"
# One processor's paragraph is about 1.5 kB; the whole file takes long to make on a machine with many.
_FIRST_PARAGRAPH = 6000


def read_cpus(machine: Machine) -> dict[str, Any]:
    """The part `cpu` of the facts."""
    first = _first_processor(machine)
    flags = first.get("flags", first.get("Features", "")).split()
    return {
        "vendor": first.get("vendor_id", first.get("CPU implementer", "unknown")),
        "model": first.get("model name", first.get("CPU part", "unknown")),
        "virt": next((flag for flag in ("vmx", "svm") if flag in flags), ""),
        "page_1g": "pdpe1gb" in flags,
        "cpus": _threads(machine),
        "isolated": machine.numbers(f"{_CPUS}/isolated"),
        "nohz_full": machine.numbers(f"{_CPUS}/nohz_full"),
        "irq_affinity": machine.numbers("/proc/irq/default_smp_affinity", parse_mask),
    }


def node_ids(machine: Machine) -> list[int]:
    """Numbers of the NUMA nodes; none on a kernel without NUMA."""
    return sorted(int(name[4:]) for name in machine.listdir(_NODES) if re.fullmatch(r"node\d+", name))


def _first_processor(machine: Machine) -> dict[str, str]:
    paragraph = (machine.read("/proc/cpuinfo", _FIRST_PARAGRAPH) or "").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in paragraph.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _threads(machine: Machine) -> list[dict[str, Any]]:
    online = machine.numbers(f"{_CPUS}/online")
    present = machine.numbers(f"{_CPUS}/present") or online
    on_node = {cpu: node for node in node_ids(machine) for cpu in machine.numbers(f"{_NODES}/node{node}/cpulist")}
    return [_thread(machine, cpu, cpu in online, on_node.get(cpu)) for cpu in present]


def _thread(machine: Machine, cpu: int, online: bool, node: int | None) -> dict[str, Any]:
    """The kernel takes the topology of a CPU away with the CPU: core and socket -1 mean "offline, not told"."""
    topology = f"{_CPUS}/cpu{cpu}/topology"
    core = machine.number(f"{topology}/core_id") if online else None
    socket = machine.number(f"{topology}/physical_package_id") if online else None
    siblings = machine.numbers(f"{topology}/thread_siblings_list") if online else []
    if node is None:
        node = _linked_node(machine, cpu)
    return {
        "id": cpu,
        "core": -1 if core is None else core,
        "socket": -1 if socket is None else socket,
        "node": node,
        "siblings": siblings or [cpu],
        "online": online,
    }


def _linked_node(machine: Machine, cpu: int) -> int:
    """Node of a CPU that no node lists, because it is offline: its own link still says. No NUMA: node 0."""
    for name in machine.listdir(f"{_CPUS}/cpu{cpu}"):
        if re.fullmatch(r"node\d+", name):
            return int(name[4:])
    return 0
