# SPDX-License-Identifier: Apache-2.0
"""Huge pages: how many of which size on which node, and whether they leave enough for everyone else."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from nfvcap.model.facts import Facts, Node
from nfvcap.model.intent import Intent
from nfvcap.model.plan import HugePagePool
from nfvcap.model.units import GIB, MIB, format_size
from nfvcap.planner.guests import Placed
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.numa import Topology
from nfvcap.planner.reasons import Reasons
from nfvcap.planner.vfs import VFIO, Port

# From this much memory on a guest gets 1 GiB pages: fewer TLB misses, but they need a reboot to be reserved.
BIG_GUEST_BYTES = 8 * GIB
# A DPDK program on the host takes its buffers from huge pages: this much is set aside on a node where it has VFs.
HOST_DPDK_BYTES = 512 * MIB

Key = tuple[int, int]  # node, page size in bytes


@dataclass
class Demand:
    """Pages that are needed, and by whom."""

    pages: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    users: dict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, key: Key, memory_bytes: int, user: str) -> None:
        self.pages[key] += -(-memory_bytes // key[1])
        self.users[key].append(user)


@dataclass
class PagePlanner:
    intent: Intent
    facts: Facts
    topology: Topology
    misfits: Misfits
    reasons: Reasons

    def plan(
        self, guests: list[Placed], ports: dict[str, Port], previous: frozenset[Key]
    ) -> tuple[tuple[HugePagePool, ...], dict[str, int]]:
        """Pools, and the page size of each guest.

        Args:
            previous: pools that an earlier plan reserved; what is no longer wanted of them is given back.
        """
        fixed = self._fixed_pools()
        sizes, demand = self._guest_demand(guests, fixed)
        if fixed is None:
            self._host_programs(demand, ports)
            self._foreign_guests(demand)
            wanted = dict(demand.pages)
            for key, users in demand.users.items():
                self.reasons.add(
                    _subject(key),
                    f"{wanted[key]} pages of {format_size(key[1])} on node {key[0]} for {', '.join(users)}.",
                )
        else:
            wanted = fixed
            self._fits_pools(demand, fixed)
        for key in sorted(previous - set(wanted)):
            wanted[key] = 0
            self.reasons.add(_subject(key), "An earlier plan reserved these pages and nobody wants them any more.")
        pools = tuple(
            HugePagePool(node=node, size_bytes=size, count=count, when=self._when(size))
            for (node, size), count in sorted(wanted.items())
        )
        self._fits_machine(pools)
        return pools, sizes

    def _fixed_pools(self) -> dict[Key, int] | None:
        if self.intent.hugepages is None:
            return None
        for pool in self.intent.hugepages:
            self.reasons.add(
                _subject((pool.node, pool.size_bytes)),
                f"{pool.pages} pages of {format_size(pool.size_bytes)} on node {pool.node} as the inventory says.",
            )
        return {(pool.node, pool.size_bytes): pool.pages for pool in self.intent.hugepages}

    def _guest_demand(self, guests: list[Placed], fixed: dict[Key, int] | None) -> tuple[dict[str, int], Demand]:
        sizes, demand = {}, Demand()
        for guest in guests:
            size, text = self._size_for(guest, fixed, demand)
            sizes[guest.name] = size
            demand.add((guest.node, size), guest.intent.memory_bytes, f"guest {guest.name}")
            self.reasons.add(
                f"guests.{guest.name}.hugepages",
                f"{format_size(guest.intent.memory_bytes)} in {format_size(size)} pages on node {guest.node}: {text}.",
            )
        return sizes, demand

    def _size_for(self, guest: Placed, fixed: dict[Key, int] | None, demand: Demand) -> tuple[int, str]:
        memory = guest.intent.memory_bytes
        if guest.intent.hugepage_size_bytes is not None:
            return guest.intent.hugepage_size_bytes, "the inventory says so"
        if fixed is not None:
            for size in (GIB, 2 * MIB):
                left = fixed.get((guest.node, size), 0) - demand.pages.get((guest.node, size), 0)
                if memory % size == 0 and left * size >= memory:
                    return size, "the first pool of the inventory with enough pages left"
            return 2 * MIB, "no pool of the inventory has enough pages"
        if memory >= BIG_GUEST_BYTES and memory % GIB == 0 and self._offered(guest.node, GIB):
            return (
                GIB,
                "the larger the page, the fewer address translations miss the TLB; a big guest is worth the reboot",
            )
        return 2 * MIB, "pages of this size can be reserved without a reboot, and the guest is small enough for them"

    def _offered(self, node: int, size_bytes: int) -> bool:
        found = self.topology.nodes.get(node)
        offered = found is not None and any(pool.size_bytes == size_bytes for pool in found.hugepages)
        return offered and (size_bytes != GIB or self.facts.cpu.page_1g)

    def _foreign_guests(self, demand: Demand) -> None:
        """Leave the pages of other guests to them; pools that only they use are not ours to manage."""
        ours = set(demand.pages)
        for guest in self.facts.guests:
            if guest.name in self.intent.guests or not guest.hugepage_size_bytes:
                continue
            keys = {(node, guest.hugepage_size_bytes) for node in guest.memory_nodes or self.topology.nodes}
            if not keys & ours:
                continue
            if len(guest.memory_nodes) == 1:
                demand.add(keys.pop(), guest.memory_bytes, f"guest {guest.name} (not in the inventory)")
            else:
                self.misfits.warn(
                    f"guest {guest.name} is not in the inventory and takes huge pages from no particular node; they are"
                    " not counted. List the pools under hugepages to make room for it"
                )

    def _host_programs(self, demand: Demand, ports: dict[str, Port]) -> None:
        for port in ports.values():
            idle = [index for index in port.free_vfs() if port.driver_of(index) == VFIO]
            if not idle:
                continue
            node = port.nic.node if port.nic.node is not None else self.topology.boot_core.node
            user = f"programs on the host that drive VFs of node {node}"
            if user not in demand.users[node, 2 * MIB]:
                demand.add((node, 2 * MIB), HOST_DPDK_BYTES, user)

    def _fits_pools(self, demand: Demand, fixed: dict[Key, int]) -> None:
        for (node, size), need in sorted(demand.pages.items()):
            have = fixed.get((node, size), 0)
            if need > have:
                self.misfits.add(
                    "NFV-PLAN-040",
                    f"node {node}: {' + '.join(demand.users[node, size])} need {need} pages of {format_size(size)},"
                    f" the pool has {have}: {need - have} too few",
                    fix=f"add {format_size((need - have) * size)} to the pool under hugepages, or say hugepages: auto",
                )

    def _when(self, size_bytes: int) -> str:
        if size_bytes != GIB or not _per_node_argument(self.facts.os.kernel):
            return "runtime"
        return "boot"

    def _fits_machine(self, pools: tuple[HugePagePool, ...]) -> None:
        for pool in pools:
            if pool.count and pool.node not in self.topology.nodes:
                have = ", ".join(map(str, sorted(self.topology.nodes)))
                self.misfits.add(
                    "NFV-PLAN-041", f"huge pages are wanted on node {pool.node}", f"this machine has node {have}"
                )
            elif pool.count and not self._offered(pool.node, pool.size_bytes):
                self.misfits.add(
                    "NFV-PLAN-042",
                    f"this machine has no huge pages of {format_size(pool.size_bytes)} on node {pool.node}",
                    "the CPU or the kernel does not offer them",
                    "use 2M pages",
                )
        for node in self.topology.nodes.values():
            self._fits_node(node, {pool.size_bytes: pool for pool in pools if pool.node == node.id})

    def _fits_node(self, node: Node, pools: dict[int, HugePagePool]) -> None:
        if not any(pool.count for pool in pools.values()):
            return
        others = sum(p.total * p.size_bytes for p in node.hugepages if p.size_bytes not in pools)
        wanted = sum(pool.count * pool.size_bytes for pool in pools.values()) + others
        reserve = reserve_bytes(node, self.intent.hugepages_reserve_bytes)
        self.reasons.add(
            f"hugepages.node{node.id}.reserve",
            f"At least {format_size(reserve)} of node {node.id} stay ordinary memory for the kernel, QEMU and all"
            " the rest: huge pages can be used for nothing but their purpose.",
        )
        over = wanted + reserve - node.memory_total_bytes
        if over > 0:
            self.misfits.add(
                "NFV-PLAN-043",
                f"node {node.id} has {format_size(node.memory_total_bytes)}, huge pages want {format_size(wanted)} and"
                f" {format_size(reserve)} stay ordinary memory: {format_size(over)} too much",
                "the reserve is hugepages_reserve, or 10 % and at least 1 GiB (a quarter of a small node)",
                "use smaller guests or pools, move a guest to another node, or lower hugepages_reserve",
            )
            return
        now = {p.size_bytes: p for p in node.hugepages}
        missing = sum(
            max(0, pool.count - now[size].total) * size
            for size, pool in pools.items()
            if size in now and pool.when == "runtime"
        )
        if missing > node.memory_available_bytes:
            self.misfits.warn(
                f"node {node.id} has {format_size(node.memory_available_bytes)} available now, huge pages need"
                f" {format_size(missing)} more: the kernel may find fewer until the next boot"
            )


def reserve_bytes(node: Node, wanted_bytes: int | None) -> int:
    """Memory of a node that stays ordinary pages: as asked for, else 10 %, at least 1 GiB or a quarter of the node."""
    if wanted_bytes is not None:
        return wanted_bytes
    total = node.memory_total_bytes
    return max(total // 10, min(GIB, total // 4))


def _subject(key: Key) -> str:
    return f"hugepages.node{key[0]}.{key[1] // 1024}kB"


def _per_node_argument(kernel: str) -> bool:
    """Linux 5.16 learnt ``hugepages=<node>:<count>``."""
    match = re.match(r"(\d+)\.(\d+)", kernel)
    return bool(match) and (int(match[1]), int(match[2])) >= (5, 16)  # type: ignore[index]
