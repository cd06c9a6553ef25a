# SPDX-License-Identifier: Apache-2.0
"""The state of a host as a tree: host → NUMA node → port → VF → guest, with drift from the plan at its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nfvcap.cli.output import paint
from nfvcap.cli.plan_view import attribute, difference, vf_of
from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts, Nic, Node, Vf
from nfvcap.model.plan import Change, HostPlan
from nfvcap.model.units import format_size
from nfvcap.report.mirrored import mirrored


@dataclass
class Branch:
    """One line of the tree with what hangs below it."""

    text: str
    drift: list[Change] = field(default_factory=list)
    below: list[Branch] = field(default_factory=list)


def tree(host: str, facts: Facts, plan: HostPlan | None, seen: Sequence[Mapping[str, Any]] = ()) -> Branch:
    """The whole tree of one host; without a plan no drift is known.

    Args:
        seen: guests as their host and their agents see them (module nfvcap_guest_info).
    """
    drift = _by_place(plan)
    root = Branch(f"{paint(host, 'head')}  {_host(facts)}")
    nodes = {node.id: Branch(_node(facts, node), drift.pop(f"node{node.id}", [])) for node in facts.nodes}
    root.below = list(nodes.values())
    nowhere = Branch("ports of no known node")
    for nic in facts.nics:
        if nic.physfn is None:
            branch = _port(facts, nic, drift)
            home = nodes.get(nic.node if nic.node is not None else -1, nowhere)
            home.below.append(branch)
    if nowhere.below:
        root.below.append(nowhere)
    for guest in facts.guests:
        text = f"guest {guest.name}  {guest.state}, {guest.vcpus} vCPUs, {format_size(guest.memory_bytes)}"
        home = nodes.get(guest.memory_nodes[0], root) if guest.memory_nodes else root
        inside = next((one for one in seen if one["name"] == guest.name), None)
        home.below.append(Branch(text, below=_inside(facts, inside)))
    # What has no place further down belongs to the host, and nothing is lost.
    root.drift = [change for changes in drift.values() for change in changes]
    return root


def _inside(facts: Facts, guest: Mapping[str, Any] | None) -> list[Branch]:
    """The guest's VFs: VF on the host → address in the guest → interface there, its copies, the guest's own counts."""
    if guest is None:
        return []
    unknown = "its agent is silent" if guest["agent"] is False else "no interface" if guest["agent"] else "no agent"
    spots = {vf.address: (nic, vf.index) for nic in facts.nics if nic.sriov for vf in nic.sriov.vfs}
    found = []
    for seen in guest["vfs"]:
        nic, index = spots.get(seen["address"], (None, -1))
        words = [
            f"vf{index} {seen['address']}" if nic else seen["address"],
            seen["guest_address"] or "?",
            seen["interface"] or paint(unknown, "WARN"),
        ]
        copies = mirrored(facts, nic.address, index) if nic else []
        found.append(Branch("  ".join([" → ".join(words), *copies, *_packets(seen.get("packets"))])))
    return found


def _packets(counts: Mapping[str, int] | None) -> list[str]:
    if counts is None:
        return []
    dropped = f", dropped {counts['dropped']}" if counts["dropped"] else ""
    return [f"received {counts['received']}, sent {counts['sent']}{dropped} packets"]


def lines(branch: Branch) -> list[str]:
    """The tree as text."""
    return [branch.text, *_drift(branch, ""), *_below(branch, "")]


def _below(branch: Branch, indent: str) -> list[str]:
    out: list[str] = []
    for below in branch.below:
        last = below is branch.below[-1]
        deeper = indent + ("   " if last else "│  ")
        out += [indent + ("└─ " if last else "├─ ") + below.text, *_drift(below, deeper), *_below(below, deeper)]
    return out


def _drift(branch: Branch, indent: str) -> list[str]:
    mark = "│  " if branch.below else "   "
    # A VF has a line of its own, so only what differs about it needs to be said.
    of_vf = [attribute(change) for change in branch.drift if vf_of(change.id)]
    said = [", ".join(of_vf)] if of_vf else []
    said += [f"{change.title}: {difference(change)}" for change in branch.drift if not vf_of(change.id)]
    return [indent + mark + paint(f"✗ {text}", "drift") for text in said]


def _by_place(plan: HostPlan | None) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    for change in plan.changes if plan else ():
        found[place(change.id)].append(change)
    return found


def place(change_id: str) -> str:
    """Where a change belongs: ``node1``, ``pf:ADDRESS``, ``vf:ADDRESS:INDEX`` or ``host``."""
    words = change_id.split(":")
    match words:
        case ["hugepages", node, *_]:
            return node
        case ["pf", domain, bus, device, *_]:
            return f"pf:{domain}:{bus}:{device}"
        case ["vf", domain, bus, device, index, *_]:
            return f"vf:{domain}:{bus}:{device}:{index}"
    return "host"


def _host(facts: Facts) -> str:
    iommu = f"IOMMU {'on' if facts.iommu.enabled else 'off'}"
    isolated = f"isolated CPUs {format_cpulist(facts.cpu.isolated)}" if facts.cpu.isolated else "no isolated CPUs"
    return f"{facts.os.name} · kernel {facts.os.kernel} · {iommu} · {isolated}"


def _node(facts: Facts, node: Node) -> str:
    cpus = format_cpulist(cpu.id for cpu in facts.cpu.cpus if cpu.node == node.id) or "none"
    pages = [
        f"{pool.total} × {format_size(pool.size_bytes)} ({pool.free} free)" for pool in node.hugepages if pool.total
    ]
    memory = f"{format_size(node.memory_total_bytes)}, {format_size(node.memory_available_bytes)} available"
    return f"node {node.id}  CPUs {cpus} · {memory} · huge pages {', '.join(pages) or 'none'}"


def _port(facts: Facts, nic: Nic, drift: dict[str, list[Change]]) -> Branch:
    words = [nic.address, nic.name or "no interface", nic.driver or "no driver", _link(nic)]
    if nic.sriov is not None:
        words.append(f"{nic.sriov.num_vfs} of {nic.sriov.total_vfs} VFs")
    if nic.carries:
        words.append(paint(f"carries {' and '.join(nic.carries)}: not touched", "WARN"))
    branch = Branch("  ".join(filter(None, words)), drift.pop(f"pf:{nic.address}", []))
    known = {vf.index: vf for vf in nic.sriov.vfs} if nic.sriov else {}
    prefix = f"vf:{nic.address}:"
    wanted = {int(key.removeprefix(prefix)) for key in drift if key.startswith(prefix)}
    for index in sorted(known.keys() | wanted):
        vf = known.get(index)
        text = "  ".join([_vf(facts, vf), *mirrored(facts, nic.address, index)]) if vf else f"vf{index}  does not exist"
        branch.below.append(Branch(text, drift.pop(f"{prefix}{index}", [])))
    return branch


def _link(nic: Nic) -> str:
    if nic.link_up is None:
        return ""
    speed = f" {nic.speed_mbps} Mbit/s" if nic.link_up and nic.speed_mbps and nic.speed_mbps > 0 else ""
    return ("link up" if nic.link_up else "link down") + speed


def _vf(facts: Facts, vf: Vf) -> str:
    words = [f"vf{vf.index}", vf.address, vf.name or "", vf.driver or "no driver", vf.mac or ""]
    words.append(f"vlan {vf.vlan}" if vf.vlan else "")
    words.append("trusted" if vf.trust else "")
    words.append("spoof check off" if vf.spoofchk is False else "")
    words.append(f"at most {vf.max_tx_rate_mbps} Mbit/s" if vf.max_tx_rate_mbps else "")
    words.append(f"link {vf.link_state}" if vf.link_state not in (None, "auto") else "")
    words.append(_holder(facts, vf))
    return "  ".join(filter(None, words))


def _holder(facts: Facts, vf: Vf) -> str:
    if vf.holder is not None:
        return f"→ {'guest' if vf.holder.kind == 'libvirt' else 'process'} {vf.holder.name}"
    users = [guest.name for guest in facts.guests if vf.address in guest.hostdevs]
    return f"→ guest {', '.join(users)} (not running)" if users else ""
