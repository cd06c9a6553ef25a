# SPDX-License-Identifier: Apache-2.0
"""The machine as the planner sees it: NUMA nodes with their online physical cores."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from nfvcap.model.facts import Facts, Node


@dataclass(frozen=True)
class Core:
    """A physical core: its node and its online hardware threads (CPU numbers, ascending)."""

    node: int
    threads: tuple[int, ...]

    @property
    def first(self) -> int:
        return self.threads[0]


class Topology:
    """Cores by node. Offline CPUs do not exist here: nothing may be planned onto them."""

    def __init__(self, facts: Facts) -> None:
        online = {cpu.id: cpu for cpu in facts.cpu.cpus if cpu.online}
        threads: dict[tuple[int, int], list[int]] = defaultdict(list)
        for cpu in online.values():
            # Core ids are only unique within a socket, and on some machines not even there; the lowest
            # online sibling names a core without doubt.
            first = min((sibling for sibling in cpu.siblings if sibling in online), default=cpu.id)
            threads[cpu.node, min(first, cpu.id)].append(cpu.id)
        self.cores = tuple(
            sorted((Core(node, tuple(sorted(ids))) for (node, _), ids in threads.items()), key=lambda c: c.first)
        )
        self.cpus = frozenset(online)
        self.nodes: dict[int, Node] = {node.id: node for node in facts.nodes}
        self.smt = any(len(core.threads) > 1 for core in self.cores)

    @property
    def boot_core(self) -> Core:
        """The core of the boot CPU, which keeps the time for all others."""
        return self.cores[0]

    def on_node(self, node: int) -> tuple[Core, ...]:
        return tuple(core for core in self.cores if core.node == node)

    def cpu_nodes(self) -> tuple[int, ...]:
        """Nodes with at least one online CPU, ascending."""
        return tuple(sorted({core.node for core in self.cores}))

    def core_of(self, cpu: int) -> Core | None:
        return next((core for core in self.cores if cpu in core.threads), None)

    def nearest_with_cpus(self, node: int) -> int:
        """The node itself, or the nearest one that has CPUs when it is memory only."""
        candidates = self.cpu_nodes()
        if node in candidates:
            return node
        distances = self.nodes[node].distances if node in self.nodes else ()
        # Distances are listed in the order of the online nodes, not indexed by node number.
        far = dict(zip(sorted(self.nodes), distances, strict=False))
        return min(candidates, key=lambda other: (far.get(other, 255), other))
