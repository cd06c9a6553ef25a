# SPDX-License-Identifier: Apache-2.0
"""The plan of one host: intent and facts in, desired state, placement, reasons and changes out. Pure."""

from __future__ import annotations

from nfvcap.model.digest import facts_digest
from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import Cpus, Desired, GuestMachine, GuestPlacement, HostPlan, Irqbalance
from nfvcap.planner import cmdline, cpus, files, guest_machine, guests, iommu, kvm, vfs
from nfvcap.planner.diff import diff
from nfvcap.planner.hugepages import PagePlanner
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.numa import Topology
from nfvcap.planner.previous import Previous
from nfvcap.planner.query import IRQBALANCE_DEFAULTS, IRQBALANCE_SERVICE
from nfvcap.planner.reasons import Reasons


def plan_host(host: str, intent: Intent, facts: Facts) -> HostPlan:
    """Plan one host.

    The same intent and facts always give the same plan, and a plan made from the facts after it was applied
    has no changes.

    Raises:
        UsageError: NFV-PLAN-…, when the intent does not fit the machine; all misfits in one error.
    """
    misfits, reasons = Misfits(), Reasons()
    topology, previous = Topology(facts), Previous(facts)
    ports = vfs.resolve_ports(intent, facts, misfits)
    placed = _place(intent, facts, topology, ports=ports, misfits=misfits, reasons=reasons)
    cores = [core for guest in placed for core in guest.cores]
    cpu_sets = cpus.partition(intent.cpus, topology, cores, reasons)
    pools, sizes = PagePlanner(intent, facts, topology, misfits, reasons).plan(placed, ports, previous.pools)
    args = cmdline.kernel_args(
        intent, facts, cpu_sets, pools, iommu=iommu.wanted(ports, facts), misfits=misfits, reasons=reasons
    )
    cmdline.check_conflicts(args, facts, previous.kernel_args, misfits)
    cmdline.check_loader(args, facts, misfits)
    iommu.check(ports, facts, args, misfits)
    iommu.check_groups(ports, facts, misfits)
    vfs.check_driverctl(ports, facts, misfits)
    desired = Desired(
        kernel_args=args,
        hugepages=pools,
        cpus=cpu_sets,
        irqbalance=_irqbalance(cpu_sets, facts, misfits),
        vfio=iommu.vfio(intent, ports, reasons),
        pfs=vfs.targets(ports, reasons),
        kvm=kvm.kvm(intent, facts, misfits, reasons),
    )
    desired = desired.model_copy(update={"units": _units(desired)})
    placement = tuple(
        _placement(
            guest,
            guest_machine.machine(host, guest.name, guest.intent, facts, reasons),
            sizes[guest.name],
            cpu_sets,
            topology,
            misfits=misfits,
            reasons=reasons,
        )
        for guest in placed
    )
    wanted_files = files.text_files(desired, placement, facts)
    changes = diff(desired, wanted_files, facts, misfits)
    _abandoned_ports(previous, ports, facts, misfits)
    misfits.raise_if_any(host)
    return HostPlan(
        host=host,
        desired=desired,
        files=wanted_files,
        placement=placement,
        reasons=reasons.all(),
        changes=changes,
        warnings=tuple(misfits.warnings),
        protected=vfs.protected_nics(facts),
        facts_digest=facts_digest(facts),
    )


def _place(
    intent: Intent,
    facts: Facts,
    topology: Topology,
    *,
    ports: dict[str, vfs.Port],
    misfits: Misfits,
    reasons: Reasons,
) -> list[guests.Placed]:
    cpus.check_lists(intent.cpus, topology, misfits)
    taken = cpus.foreign_pins(facts, intent, topology)
    usable = cpus.usable_cores(intent.cpus, topology, taken, reasons)
    return guests.Placer(topology, ports, usable, misfits, reasons).place(intent)


def _placement(
    guest: guests.Placed,
    machine: GuestMachine,
    page_size_bytes: int,
    cpu_sets: Cpus,
    topology: Topology,
    *,
    misfits: Misfits,
    reasons: Reasons,
) -> GuestPlacement:
    return GuestPlacement(
        name=guest.name,
        node=guest.node,
        vcpu_pins={number: core.first for number, core in enumerate(guest.cores)},
        emulator_cpus=guests.emulator_cpus(guest, cpu_sets.housekeeping, topology, misfits, reasons),
        memory_bytes=guest.intent.memory_bytes,
        hugepage_size_bytes=page_size_bytes,
        vfs=guest.vfs,
        machine=machine,
    )


def _irqbalance(cpu_sets: Cpus, facts: Facts, misfits: Misfits) -> Irqbalance:
    unit = facts.units.get(IRQBALANCE_SERVICE)
    present = facts.packages.get("irqbalance") is not None or (unit is not None and unit.load == "loaded")
    if not (present and cpu_sets.isolated):
        return Irqbalance(manage=False, banned_cpus=())
    defaults = facts.files.get(IRQBALANCE_DEFAULTS)
    for line in (defaults.content or "").splitlines() if defaults else ():
        if line.strip().startswith("IRQBALANCE_BANNED_CPU"):
            misfits.warn(f"{IRQBALANCE_DEFAULTS} says {line.strip()} and overrules the plan's list of isolated CPUs")
    return Irqbalance(manage=True, banned_cpus=cpu_sets.isolated)


def _units(desired: Desired) -> tuple[str, ...]:
    pages, ports = bool(files.restored_pools(desired.hugepages)), bool(desired.pfs)
    return tuple(unit for unit, wanted in ((files.HUGEPAGES_UNIT, pages), (files.SRIOV_UNIT, ports)) if wanted)


def _abandoned_ports(previous: Previous, ports: dict[str, vfs.Port], facts: Facts, misfits: Misfits) -> None:
    for nic in facts.nics:
        if nic.address in previous.pfs and nic.address not in ports and nic.sriov and nic.sriov.num_vfs:
            misfits.warn(
                f"{nic.address} ({nic.name or nic.driver}) still has {nic.sriov.num_vfs} VFs of an earlier plan but is"
                " no longer in the inventory: they are left alone and are gone after the next boot. To remove them now,"
                " list the port with vfs: 0"
            )
