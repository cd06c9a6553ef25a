# SPDX-License-Identifier: Apache-2.0
"""Rules between the fields of an intent; what needs no look at the machine is judged here."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator

from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.intent import GuestImage, GuestIntent, Intent, PfIntent, VfDefaults, VfIntent
from nfvcap.model.intent_fields import PCI_ADDRESS
from nfvcap.model.units import GIB, MIB, format_size

Found = tuple[tuple[str | int, ...], str, str, str]  # path, what, why, fix

# Kernel arguments that the plan decides about, and where the inventory says so instead.
_DECIDED = {
    "intel_iommu": "set by itself when there are VFs; see iommu",
    "amd_iommu": "AMD IOMMUs are on by default; see iommu",
    "iommu": "say iommu: {passthrough: …} instead",
    "isolcpus": "say cpus: {isolate: …} instead",
    "nohz_full": "say cpus: {isolate: …} instead",
    "rcu_nocbs": "say cpus: {isolate: …} instead",
    "irqaffinity": "say cpus: {housekeeping: …} instead",
    "hugepagesz": "say hugepages: … instead",
    "hugepages": "say hugepages: … instead",
}


def check(intent: Intent) -> Iterator[Found]:
    """Everything in the intent that contradicts itself."""
    yield from _pools(intent)
    yield from _cpus(intent)
    yield from _ports(intent)
    yield from _macs(intent)
    yield from _guests(intent)
    yield from _kernel_args(intent)


def _pools(intent: Intent) -> Iterator[Found]:
    seen: set[tuple[int, int]] = set()
    for index, pool in enumerate(intent.hugepages or ()):
        path = ("hugepages", index)
        if (pool.count is None) == (pool.memory_bytes is None):
            which = "neither count nor memory" if pool.count is None else "both count and memory"
            yield path, f"the pool has {which}", "", "give exactly one of them"
        elif pool.memory_bytes is not None and pool.memory_bytes % pool.size_bytes:
            pages = -(-pool.memory_bytes // pool.size_bytes)
            yield (
                (*path, "memory"),
                f"{format_size(pool.memory_bytes)} is not a whole number of pages of {format_size(pool.size_bytes)}",
                "",
                f"write for instance {format_size(pages * pool.size_bytes).replace(' ', '')}",
            )
        key = (pool.node, pool.size_bytes)
        if key in seen:
            what = f"node {pool.node} has pages of {format_size(pool.size_bytes)} twice"
            yield path, what, "", "join the two entries"
        seen.add(key)


def _cpus(intent: Intent) -> Iterator[Found]:
    both = set(intent.cpus.housekeeping or ()) & set(intent.cpus.isolate or ())
    if both:
        what = f"CPU {format_cpulist(both)} is both housekeeping and isolated"
        yield ("cpus", "isolate"), what, "", "name each CPU in one of the lists"


def _ports(intent: Intent) -> Iterator[Found]:
    seen: set[str] = set()
    for index, port in enumerate(intent.pfs):
        if port.pf in seen:
            yield ("pfs", index, "pf"), f"{port.pf} is listed twice", "", "join the two entries"
        seen.add(port.pf)
        for number in port.vf:
            if number >= port.vfs:
                have = f"VFs are numbered from 0, and there are {port.vfs}"
                yield (
                    ("pfs", index, "vf", number),
                    f"there is no VF {number} on {port.pf}",
                    have,
                    f"raise vfs to {number + 1}, or correct the index",
                )
        yield from _attributes(index, port)


def _effective(own: VfIntent, common: VfDefaults, name: str) -> int:
    for source in (own, common):
        value = getattr(source, name)
        if value is not None:
            return int(value)
    return 0


def _place(index: int, where: tuple[str | int, ...], *own: object) -> tuple[str | int, ...]:
    """A contradiction that the VF itself has no part in belongs to the defaults, and is said once."""
    return ("pfs", index, *(where if any(value is not None for value in own) else ("vf_defaults",)))


def _attributes(index: int, port: PfIntent) -> Iterator[Found]:
    holders: list[tuple[tuple[str | int, ...], VfIntent]] = [(("vf", number), vf) for number, vf in port.vf.items()]
    if len(port.vf) < port.vfs:
        holders.append((("vf_defaults",), VfIntent()))
    for where, vf in holders:
        if _effective(vf, port.vf_defaults, "qos") and not _effective(vf, port.vf_defaults, "vlan"):
            path = _place(index, where, vf.qos, vf.vlan)
            yield path, "qos without a vlan", "the priority is part of the VLAN tag", "give a vlan, or remove qos"
        least = _effective(vf, port.vf_defaults, "min_tx_rate_mbps")
        most = _effective(vf, port.vf_defaults, "max_tx_rate_mbps")
        if most and least > most:
            what = f"min_tx_rate {least} is above max_tx_rate {most} (Mbit/s)"
            path = _place(index, where, vf.min_tx_rate_mbps, vf.max_tx_rate_mbps)
            yield path, what, "", "lower min_tx_rate or raise max_tx_rate"


def _macs(intent: Intent) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for index, port in enumerate(intent.pfs):
        for number, vf in port.vf.items():
            if vf.mac is None:
                continue
            if vf.mac in seen:
                yield (
                    ("pfs", index, "vf", number, "mac"),
                    f"MAC address {vf.mac} is given twice",
                    f"first to {seen[vf.mac]}; both would receive each other's frames",
                    "choose another address",
                )
            seen.setdefault(vf.mac, f"VF {number} of {port.pf}")


def _guests(intent: Intent) -> Iterator[Found]:
    ports = {port.pf: port for port in intent.pfs}
    comparable = all(PCI_ADDRESS.fullmatch(name) for name in ports)
    taken: Counter[str] = Counter()
    for name, guest in intent.guests.items():
        path = ("guests", name)
        page = guest.hugepage_size_bytes or 2 * MIB
        if guest.memory_bytes % page:
            whole = -(-guest.memory_bytes // page) * page
            what = f"{format_size(guest.memory_bytes)} is not a whole number of {format_size(page)} pages"
            yield (*path, "memory"), what, "", f"write {whole // GIB}G" if page == GIB else f"write {whole // MIB}M"
        yield from _guest_itself(path, guest)
        if guest.vf_count and not ports:
            yield path, f"guest {name} wants VFs, but no port is listed under pfs", "", "add the port to pfs"
        elif guest.pf is not None and guest.pf in ports:
            taken[guest.pf] += guest.vf_count
            if taken[guest.pf] > ports[guest.pf].vfs >= taken[guest.pf] - guest.vf_count:
                yield (
                    path,
                    f"the guests want {taken[guest.pf]} VFs of {guest.pf}, which has {ports[guest.pf].vfs}",
                    "",
                    f"raise its vfs to {sum(g.vf_count for g in intent.guests.values() if g.pf == guest.pf)}",
                )
        elif guest.pf is not None and comparable and PCI_ADDRESS.fullmatch(guest.pf):
            near = difflib.get_close_matches(guest.pf, ports, n=1)
            fix = f"did you mean {near[0]}?" if near else "add it to pfs"
            yield (*path, "pf"), f"port {guest.pf} is not listed under pfs", "", fix


def _guest_itself(path: tuple[str | int, ...], guest: GuestIntent) -> Iterator[Found]:
    if guest.vf_count > min(guest.slot_count, 16):
        what = f"{guest.vf_count} VFs do not fit into {min(guest.slot_count, 16)} slots"
        yield (
            (*path, "vf_slots"),
            what,
            "each VF takes one slot of the guest",
            "raise vf_slots (at most 16), or lower vfs",
        )
    inside = guest.inside.hugepages_bytes or 0
    if inside % (2 * MIB) or inside > guest.memory_bytes // 4 * 3:
        whole = min(-(-inside // (2 * MIB)) * 2, guest.memory_bytes // 4 * 3 // MIB & ~1)
        what = f"{format_size(inside)} cannot be huge pages of a guest with {format_size(guest.memory_bytes)}"
        why = "whole pages of 2 MiB, and a quarter of the memory stays for its system"
        yield (*path, "inside", "hugepages"), what, why, f"write for instance {whole}M"
    for index, token in enumerate(guest.inside.kernel_args):
        key = token.partition("=")[0].replace("-", "_")
        if key in _DECIDED:
            yield (
                (*path, "inside", "kernel_args", index),
                f"{token} is decided by the plan",
                "",
                "see inside",
            )
    if guest.image is not None:
        yield from _image((*path, "image"), guest.image)


def _image(path: tuple[str | int, ...], image: GuestImage) -> Iterator[Found]:
    if image.kernel is not None and image.disk is not None:
        yield path, "the image has both a kernel and a disk", "", "give kernel and initrd, or disk"
    elif (image.kernel is None) != (image.initrd is None):
        yield path, "kernel and initrd belong together", "", "give both of them"
    elif image.disk is None and (image.size_bytes is not None or image.ssh_keys):
        yield path, "size and ssh_keys are for a cloud image", "this guest boots a kernel directly", "give disk"


def _kernel_args(intent: Intent) -> Iterator[Found]:
    seen: set[str] = set()
    for index, token in enumerate(intent.kernel_args):
        key = token.partition("=")[0].replace("-", "_")
        if key in _DECIDED:
            yield ("kernel_args", index), f"{token} is decided by the plan", "", _DECIDED[key]
        elif token in seen:
            yield ("kernel_args", index), f"{token} is listed twice", "", "remove one of them"
        seen.add(token)
