# SPDX-License-Identifier: Apache-2.0
"""Cores: which may hold vCPUs, which stay with the host, which are isolated."""

from __future__ import annotations

from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts
from nfvcap.model.intent import CpusIntent, Intent
from nfvcap.model.plan import Cpus
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.numa import Core, Topology
from nfvcap.planner.reasons import Reasons


def check_lists(wanted: CpusIntent, topology: Topology, misfits: Misfits) -> None:
    """The CPU lists of the inventory against the machine."""
    for name, cpus in (("housekeeping", wanted.housekeeping), ("isolate", wanted.isolate)):
        absent = sorted(set(cpus or ()) - topology.cpus)
        if absent:
            misfits.add(
                "NFV-PLAN-020",
                f"cpus.{name} names CPU {format_cpulist(absent)}, which this machine does not have or has offline",
                f"online CPUs: {format_cpulist(topology.cpus)}",
                "correct the list",
            )
    boot = topology.boot_core.first
    if boot in (wanted.isolate or ()) or (wanted.housekeeping is not None and boot not in wanted.housekeeping):
        misfits.add(
            "NFV-PLAN-021",
            f"CPU {boot} must be a housekeeping CPU",
            "the boot CPU keeps the time for the isolated ones and cannot be isolated itself",
            f"add {boot} to cpus.housekeeping and leave it out of cpus.isolate",
        )
    for core in topology.cores:
        split = set(core.threads) & set(wanted.housekeeping or wanted.isolate or ())
        if split and split != set(core.threads):
            misfits.warn(
                f"CPUs {format_cpulist(core.threads)} are one physical core, and the inventory gives only"
                f" {format_cpulist(split)} of it to one side: no vCPU is placed there"
            )


def foreign_pins(facts: Facts, intent: Intent, topology: Topology) -> dict[int, str]:
    """CPU → guest that is not in the inventory but pinned there: these cores are taken."""
    taken: dict[int, str] = {}
    for guest in facts.guests:
        if guest.name in intent.guests:
            continue
        for cpus in guest.vcpu_pins.values():
            # A pin to every CPU is no pin: libvirt reports it for guests that were never placed.
            if not topology.cpus <= set(cpus):
                taken.update(dict.fromkeys(cpus, guest.name))
    return taken


def usable_cores(
    wanted: CpusIntent, topology: Topology, taken: dict[int, str], reasons: Reasons
) -> dict[int, tuple[Core, ...]]:
    """Node → cores that may hold vCPUs, in the order in which they are handed out."""
    if wanted.housekeeping is None and not wanted.isolate:
        kept = {topology.boot_core} | {
            topology.on_node(node)[0] for node in topology.cpu_nodes() if node != topology.boot_core.node
        }
        reasons.add(
            "cpus.kept",
            f"Core 0 (CPU {format_cpulist(topology.boot_core.threads)}) stays with the host because interrupts, timers"
            " and kernel threads need a home; on every other node that gets guests its first core stays too, for"
            " the guests' emulator threads, which must not share a core with a vCPU.",
        )
    else:
        kept = set()
    banned = set(wanted.housekeeping or ()) | set(taken)
    if taken:
        guests = ", ".join(sorted(set(taken.values())))
        reasons.add(
            "cpus.taken",
            f"CPUs {format_cpulist(taken)} are left alone: guests outside the inventory are pinned there ({guests}).",
        )
    allowed = set(wanted.isolate) if wanted.isolate else topology.cpus
    return {
        node: tuple(
            core
            for core in topology.on_node(node)
            if core not in kept and not banned & set(core.threads) and allowed >= set(core.threads)
        )
        for node in topology.cpu_nodes()
    }


def partition(wanted: CpusIntent, topology: Topology, guest_cores: list[Core], reasons: Reasons) -> Cpus:
    """Which CPUs are isolated and which stay with the host."""
    of_guests = {cpu for core in guest_cores for cpu in core.threads}
    if wanted.isolate == ():
        isolated: set[int] = set()
        housekeeping = set(wanted.housekeeping or topology.cpus - of_guests)
        text = (
            "Nothing is isolated because the inventory says so: vCPUs are pinned, but other work may run beside them."
        )
    elif wanted.isolate is not None:
        isolated = set(wanted.isolate) & topology.cpus
        housekeeping = set(wanted.housekeeping or topology.cpus - isolated)
        text = f"CPUs {format_cpulist(isolated)} are isolated as the inventory says."
    elif wanted.housekeeping is not None:
        housekeeping = set(wanted.housekeeping) & topology.cpus
        isolated = set(topology.cpus - housekeeping)
        text = (
            f"The inventory keeps CPUs {format_cpulist(housekeeping)} for the host, so all others"
            f" ({format_cpulist(isolated) or 'none'}) are isolated: later guests need no reboot."
        )
    else:
        isolated, housekeeping = of_guests, set(topology.cpus - of_guests)
        text = _auto_text(isolated, topology)
    reasons.add("cpus.isolated", text)
    if isolated:
        reasons.add(
            "cpus.housekeeping",
            f"Everything else runs on CPUs {format_cpulist(housekeeping)}: interrupts, kernel threads, the host's"
            " programs and the guests' emulator threads.",
        )
    return Cpus(housekeeping=tuple(sorted(housekeeping)), isolated=tuple(sorted(isolated)))


def _auto_text(isolated: set[int], topology: Topology) -> str:
    if not isolated:
        return "Nothing is isolated because no guest needs cores of its own."
    text = (
        f"CPUs {format_cpulist(isolated)} are isolated because vCPUs run there: a thread that polls a NIC loses packets"
        " whenever the scheduler, a timer tick or an interrupt takes its core away."
    )
    if topology.smt:
        text += (
            " The hyper-threads beside a vCPU are isolated with it and stay idle: two threads of one core share its"
            " execution units and caches."
        )
    return text
