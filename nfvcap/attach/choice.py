# SPDX-License-Identifier: Apache-2.0
"""Which VF a guest gets: the one that was named, if nothing speaks against it, else the best of the free ones.

Best is, in this order: planned for this guest; nearest to the guest's NUMA node; on a port with a link; not used as an
interface by the host; then the lowest address and index, so that the same facts always give the same VF.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvcap.attach.guests import attached, guest_node, promised
from nfvcap.attach.request import Request, all_vfs, named_vf, port
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Guest, Nic, Vf
from nfvcap.model.plan import HostPlan

# Drivers of other members of an IOMMU group that do not keep VFIO from handing out the group.
_HARMLESS = frozenset({None, "vfio-pci", "pci-stub", "pcieport", "shpchp"})
_NEAR = 10


@dataclass(frozen=True)
class Chosen:
    """The VF, why it, and what it costs."""

    nic: Nic
    vf: Vf
    reason: str
    guest_node: int | None
    warnings: tuple[str, ...]


def choose(request: Request, guest: Guest, facts: Facts, plan: HostPlan | None) -> Chosen:
    """Choose a VF.

    Raises:
        UsageError: NFV-ATTACH-003 no such VF, -004 it is taken, -005 none is free, -006 its IOMMU group, -009 its port.
    """
    house = _House(facts, plan, guest)
    if request.vf:
        nic, vf = named_vf(request.vf, request.pf, facts)
        house.refuse(nic, vf)
        return house.chosen(nic, vf, "It was named.", named=True)
    only = port(request.pf, facts).address if request.pf else None
    candidates = [(nic, vf) for nic, vf in all_vfs(facts) if only in (None, nic.address)]
    free = [(nic, vf) for nic, vf in candidates if not house.against(nic, vf)]
    if not free:
        raise house.none_free(candidates, only)
    nic, vf = min(free, key=lambda pair: house.rank(*pair))
    return house.chosen(nic, vf, house.why(nic, vf, len(free)), named=False)


class _House:
    """One host with its guests, for one guest that wants a VF."""

    def __init__(self, facts: Facts, plan: HostPlan | None, guest: Guest) -> None:
        self.facts, self.guest = facts, guest
        self.node = guest_node(guest, facts, plan)
        self.promised = promised(facts)
        self.attached: dict[tuple[str, int], Mapping[str, Any]] = attached(facts)
        self.planned = {name: placed.name for placed in (plan.placement if plan else ()) for name in placed.vfs}
        self.interfaces = {nic.address: nic for nic in facts.nics if nic.physfn}
        self.groups = {group.id: group.devices for group in facts.iommu.groups}
        self.drivers = {nic.address: nic.driver for nic in facts.nics} | {
            vf.address: vf.driver for _, vf in all_vfs(facts)
        }

    def planned_for(self, nic: Nic, vf: Vf) -> str | None:
        return self.planned.get(f"{nic.address}:vf{vf.index}")

    def distance(self, nic: Nic, vf: Vf) -> int:
        """As the firmware tells it: 10 is the same node; unknown counts as near."""
        node = vf.node if vf.node is not None else nic.node
        mine = next((one for one in self.facts.nodes if one.id == self.node), None)
        ids = sorted(one.id for one in self.facts.nodes)
        if mine is None or node not in ids:
            return _NEAR
        far = dict(zip(ids, mine.distances, strict=False))
        return far.get(node, _NEAR)

    def rank(self, nic: Nic, vf: Vf) -> tuple[bool, int, bool, bool, str, int]:
        return (
            self.planned_for(nic, vf) != self.guest.name,
            self.distance(nic, vf),
            nic.link_up is not True,
            vf.name is not None,
            nic.address,
            vf.index,
        )

    def taken(self, nic: Nic, vf: Vf) -> str:
        """Who has the VF, in words; "" when it is free."""
        entry = self.attached.get((nic.address, vf.index))
        if entry is not None:
            return f"attached to guest {entry['guest']['name']}" + (
                "" if entry["state"] == "attached" else f" ({entry['state']}, interrupted)"
            )
        if vf.holder is not None:
            who = "guest" if vf.holder.kind == "libvirt" else "process"
            return f"held by {who} {vf.holder.name}" + (f" (pid {vf.holder.pid})" if vf.holder.pid else "")
        if vf.address in self.promised:
            return f"in the definition of guest {self.promised[vf.address]}"
        return ""

    def others_in_group(self, vf: Vf) -> list[str]:
        """Members of the VF's IOMMU group that keep it from going to a guest, with their drivers."""
        members = self.groups.get(-1 if vf.iommu_group is None else vf.iommu_group, ())
        return [
            f"{address} ({self.drivers[address]})"
            for address in members
            if address != vf.address and self.drivers.get(address) not in _HARMLESS
        ]

    def against(self, nic: Nic, vf: Vf) -> str:
        """Why this VF is not chosen without being named; "" when nothing speaks against it."""
        planned, mine = self.planned_for(nic, vf), self.interfaces.get(vf.address)
        reasons = {
            "taken": self.taken(nic, vf),
            "on a port that cannot give VFs away": self._port_trouble(nic, vf),
            "in an IOMMU group with others, or without one": self._group_trouble(vf),
            "planned for another guest": planned not in (None, self.guest.name),
            "up as an interface of the host": mine is not None and mine.admin_up,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def refuse(self, nic: Nic, vf: Vf) -> None:
        """Raise when a named VF cannot be given away."""
        label = f"VF {vf.index} of {nic.address} ({vf.address})"
        if taken := self.taken(nic, vf):
            raise UsageError(
                "NFV-ATTACH-004", f"{label} is taken", f"it is {taken}",
                "name another VF, or none to have a free one chosen",
            )  # fmt: skip
        if trouble := self._port_trouble(nic, vf):
            raise UsageError("NFV-ATTACH-009", f"{label} cannot go to a guest", *trouble)
        if trouble := self._group_trouble(vf):
            raise UsageError("NFV-ATTACH-006", f"{label} cannot go to a guest", *trouble)

    def _port_trouble(self, nic: Nic, vf: Vf) -> tuple[str, str] | None:
        mine = self.interfaces.get(vf.address)
        carries = sorted({*nic.carries, *(mine.carries if mine else ())})
        if carries:
            words = " and ".join("the ssh connection" if one == "ssh" else "the default route" for one in carries)
            return f"its port carries {words}: it is never touched", "use another port"
        if nic.name is None:
            return (
                f"its port has no network interface (driver {nic.driver or 'none'}), so its address cannot be set",
                "give the port back to its kernel driver",
            )
        if nic.admin_up is False:
            return f"its port {nic.name} is down", f"provision the host, or set it up: ip link set {nic.name} up"
        return None

    def _group_trouble(self, vf: Vf) -> tuple[str, str] | None:
        if not self.facts.iommu.enabled or vf.iommu_group is None:
            return (
                "the kernel runs without an IOMMU" if not self.facts.iommu.enabled else "it has no IOMMU group",
                "provision the host; see `nfvcap doctor` for what the firmware and the kernel lack",
            )
        if others := self.others_in_group(vf):
            return (
                f"it shares IOMMU group {vf.iommu_group} with {', '.join(others)}; VFIO hands out whole groups only",
                "use a port in a slot with ACS, or give the others to vfio-pci, too",
            )
        return None

    def none_free(self, candidates: list[tuple[Nic, Vf]], only: str | None) -> UsageError:
        where = f"on {only}" if only else "on this host"
        counts = Counter(self.against(nic, vf) for nic, vf in candidates)
        told = "; ".join(f"{count} {reason}" for reason, count in counts.items())
        fix = "detach one, or raise `vfs` of a port in the inventory and provision"
        if "planned for another guest" in counts or "up as an interface of the host" in counts:
            fix += "; a VF that is planned for another guest, or an interface of the host, has to be named with --vf"
        return UsageError("NFV-ATTACH-005", f"there is no free VF {where}", f"of {len(candidates)}: {told}", fix)

    def why(self, nic: Nic, vf: Vf, free: int) -> str:
        if self.planned_for(nic, vf) == self.guest.name:
            return f"The plan has VF {vf.index} of {nic.address} for {self.guest.name}."
        first = f"The first of {free} free VFs"
        if self.node is None or nic.node is None:
            return f"{first}; where the guest or the port is placed is not known."
        near = self.distance(nic, vf) == _NEAR
        return f"{first} {'on' if near else 'nearest to'} node {self.node}, where {self.guest.name} runs."

    def chosen(self, nic: Nic, vf: Vf, reason: str, *, named: bool) -> Chosen:
        warnings = []
        distance = self.distance(nic, vf)
        if distance != _NEAR:
            warnings.append(
                f"{self.guest.name} runs on node {self.node} and the VF is on node {nic.node}: every packet crosses the"
                f" link between the nodes (distance {distance} instead of {_NEAR}), which costs throughput and latency"
                + ("" if named else "; no free VF is nearer")
            )
        planned = self.planned_for(nic, vf)
        if planned not in (None, self.guest.name):
            warnings.append(f"the plan has this VF for guest {planned}, which will not get it")
        mine = self.interfaces.get(vf.address)
        if mine is not None and mine.admin_up:
            warnings.append(f"the host uses the VF as interface {mine.name}, which is up; it goes away from the host")
        if nic.link_up is False:
            warnings.append(f"the port {nic.name} has no link")
        return Chosen(nic, vf, reason, self.node, tuple(warnings))
