# SPDX-License-Identifier: Apache-2.0
"""Guests: on which node, on which cores, with which VFs."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfvcap.model.intent import GuestIntent, Intent
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.numa import Core, Topology
from nfvcap.planner.reasons import Reasons
from nfvcap.planner.vfs import Port, take_vfs


@dataclass
class Placed:
    """A guest with its node, one core per vCPU, and its VFs."""

    name: str
    intent: GuestIntent
    node: int
    cores: tuple[Core, ...] = ()
    vfs: tuple[str, ...] = ()


@dataclass
class Placer:
    """Places the guests of one host: those whose node is given first, then those that may go anywhere."""

    topology: Topology
    ports: dict[str, Port]
    cores: dict[int, tuple[Core, ...]]  # node → usable cores
    misfits: Misfits
    reasons: Reasons
    placed: dict[str, Placed] = field(default_factory=dict)

    def place(self, intent: Intent) -> list[Placed]:
        """Place all guests; returns them in the order of the inventory."""
        floating: list[tuple[str, GuestIntent]] = []
        for name, guest in intent.guests.items():
            if guest.node is None and guest.pf is None:
                floating.append((name, guest))
            else:
                self._place_fixed(name, guest)
        for name, guest in floating:
            self._place_floating(name, guest)
        self._hand_out_cores(intent)
        return [self.placed[name] for name in intent.guests if name in self.placed]

    def _free(self, node: int) -> int:
        used = sum(other.intent.vcpus for other in self.placed.values() if other.node == node)
        return len(self.cores.get(node, ())) - used

    def _place_fixed(self, name: str, guest: GuestIntent) -> None:
        port = self._port(name, guest)
        if guest.pf is not None and port is None:
            return
        node = guest.node if guest.node is not None else self._node_of(name, port)
        if node not in self.topology.cpu_nodes():
            have = ", ".join(map(str, self.topology.cpu_nodes()))
            self.misfits.add(
                "NFV-PLAN-030",
                f"guest {name} is to run on node {node}, which has no online CPUs",
                f"nodes with CPUs: {have}",
                "correct guests.*.node",
            )
            return
        if guest.node is not None:
            self.reasons.add(f"guests.{name}.node", f"Node {node} because the inventory says so.")
            if port and port.nic.node not in (None, node):
                self.misfits.warn(
                    f"guest {name} is to run on node {node}, but its port {port.label} is on node {port.nic.node}:"
                    " every packet crosses the link between the nodes"
                )
        self.placed[name] = Placed(name, guest, node)
        sources = [port] if port else [p for p in self.ports.values() if p.nic.node in (None, node)]
        self._give_vfs(self.placed[name], sources)

    def _port(self, name: str, guest: GuestIntent) -> Port | None:
        if guest.pf is None:
            return None
        for port in self.ports.values():
            if guest.pf in port.nic.names:
                return port
        # A port that was refused has been reported already; one that nobody listed has not.
        if not self.misfits.found:
            self.misfits.add(
                "NFV-PLAN-031",
                f"guest {name} wants VFs of {guest.pf}, which is not listed under pfs",
                fix="add the port to pfs, or correct guests.*.pf",
            )
        return None

    def _node_of(self, name: str, port: Port | None) -> int:
        nodes = self.topology.cpu_nodes()
        if port is None or port.nic.node is None:
            node = max(nodes, key=lambda n: (self._free(n), -n))
            if port is not None and len(nodes) > 1:
                self.misfits.warn(
                    f"the firmware does not say on which NUMA node {port.label} is; guest {name} goes to node {node}."
                    " Say guests.*.node if you know better"
                )
            self.reasons.add(f"guests.{name}.node", f"Node {node}, the one with the most free cores.")
            return node
        node = self.topology.nearest_with_cpus(port.nic.node)
        text = f"Node {node} because the guest's port {port.label} hangs on it"
        if node != port.nic.node:
            text = f"Node {node} because it is the nearest with CPUs to node {port.nic.node}, where {port.label} hangs"
        self.reasons.add(
            f"guests.{name}.node",
            text + ": the NIC writes packets into memory of its own node without crossing to the other socket, and the"
            " vCPUs read them from there.",
        )
        return node

    def _place_floating(self, name: str, guest: GuestIntent) -> None:
        wanted = guest.vf_count
        sources = [port for port in self.ports.values() if len(port.free_vfs()) >= wanted] if wanted else []
        nodes = [self.topology.nearest_with_cpus(p.nic.node) for p in sources if p.nic.node is not None]
        if not nodes:
            nodes = sorted(self.topology.cpu_nodes(), key=lambda n: (-self._free(n), n))
        node = next((n for n in nodes if self._free(n) >= guest.vcpus), nodes[0])
        text = "the first that has free VFs and enough free cores" if sources else "the one with the most free cores"
        self.reasons.add(f"guests.{name}.node", f"Node {node}, {text}; the inventory leaves the choice open.")
        self.placed[name] = Placed(name, guest, node)
        near = [p for p in sources if p.nic.node is None or self.topology.nearest_with_cpus(p.nic.node) == node]
        self._give_vfs(self.placed[name], near or list(self.ports.values()))

    def _give_vfs(self, placed: Placed, sources: list[Port]) -> None:
        wanted = placed.intent.vf_count
        if not wanted:
            return
        port = next((p for p in sources if len(p.free_vfs()) >= wanted), None)
        if port is not None:
            placed.vfs = take_vfs(placed.name, port, wanted)
            return
        free = max((len(p.free_vfs()) for p in sources), default=0)
        where = f"port {sources[0].label}" if len(sources) == 1 else f"any port near node {placed.node}"
        self.misfits.add(
            "NFV-PLAN-032",
            f"guest {placed.name} wants {_vfs(wanted)} of {where}, {free} are free: {wanted - free} too few",
            fix="raise pfs.*.vfs, or let another guest have fewer",
        )

    def _hand_out_cores(self, intent: Intent) -> None:
        for node in self.topology.cpu_nodes():
            there = [
                self.placed[name] for name in intent.guests if name in self.placed and self.placed[name].node == node
            ]
            need, usable = sum(p.intent.vcpus for p in there), self.cores.get(node, ())
            if need > len(usable):
                who = " + ".join(f"{p.name} ({p.intent.vcpus})" for p in there)
                total = len(self.topology.on_node(node))
                self.misfits.add(
                    "NFV-PLAN-033",
                    f"node {node} has {len(usable)} free cores, {who} need {need}: {need - len(usable)} too many",
                    f"of the node's {total} physical cores {total - len(usable)} stay with the host or are taken,"
                    " and each vCPU gets a whole core",
                    "use fewer vCPUs, move a guest to another node, or give the host fewer cores (cpus.housekeeping)",
                )
                continue
            rest = list(usable)
            for placed in there:
                placed.cores = tuple(rest[: placed.intent.vcpus])
                del rest[: placed.intent.vcpus]
                self._explain_cores(placed)

    def _explain_cores(self, placed: Placed) -> None:
        pins = ", ".join(f"vCPU {number} → CPU {core.first}" for number, core in enumerate(placed.cores))
        idle = [str(cpu) for core in placed.cores for cpu in core.threads[1:]]
        self.reasons.add(
            f"guests.{placed.name}.vcpus",
            f"{pins}: each vCPU has a physical core to itself, the lowest free ones of node {placed.node}"
            + (f"; the sibling threads {', '.join(idle)} stay idle." if idle else "."),
        )


def _vfs(count: int) -> str:
    return "1 VF" if count == 1 else f"{count} VFs"


def emulator_cpus(
    placed: Placed, housekeeping: tuple[int, ...], topology: Topology, misfits: Misfits, reasons: Reasons
) -> tuple[int, ...]:
    """CPUs for the guest's emulator threads: the host's CPUs of the guest's node."""
    near = {cpu for core in topology.on_node(placed.node) for cpu in core.threads}
    chosen = tuple(cpu for cpu in housekeeping if cpu in near)
    if not chosen:
        misfits.warn(
            f"node {placed.node} keeps no CPU for the host, so the emulator threads of guest {placed.name} run on"
            " another node: slower device emulation, but no vCPU is disturbed"
        )
        chosen = housekeeping
    reasons.add(
        f"guests.{placed.name}.emulator",
        "QEMU's own threads run on the host's CPUs"
        + (f" of node {placed.node}" if set(chosen) <= near else "")
        + ": near the guest's memory, but never on a vCPU's core, not even on its sibling thread.",
    )
    return chosen
