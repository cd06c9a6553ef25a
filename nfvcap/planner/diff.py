# SPDX-License-Identifier: Apache-2.0
"""Desired state against facts: the changes, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterator

from nfvcap.model.facts import Facts
from nfvcap.model.plan import Change, Desired, Disruption
from nfvcap.model.units import format_size
from nfvcap.planner import diff_pfs, files
from nfvcap.planner.cmdline import compare, managed
from nfvcap.planner.lasting import keeper
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.previous import Previous
from nfvcap.planner.tokens import missing, settings


def diff(desired: Desired, wanted_files: dict[str, str | None], facts: Facts, misfits: Misfits) -> tuple[Change, ...]:
    """All changes that turn the machine of the facts into the desired one; empty when it is already so."""
    changes = (
        *_packages(desired, facts),
        *_services(desired, facts),
        *_kernel_args(desired, wanted_files, facts),
        *_file_changes(wanted_files, facts, "iommu", "vfio is set up the same way at each boot"),
        *_vfio(desired, facts),
        *_irqbalance(desired, wanted_files, facts),
        *_file_changes(wanted_files, facts, "persistence", "huge pages, VFs and drivers come back at each boot"),
        *_units(desired, facts),
        *_hugepages(desired, facts, misfits),
        *diff_pfs.pf_changes(desired, facts, misfits),
        *_record(desired, wanted_files, facts),
    )
    return tuple(
        change.model_copy(update={"survives_reboot": keeper(change, desired, wanted_files) is not None})
        for change in changes
    )


def _packages(desired: Desired, facts: Facts) -> Iterator[Change]:
    missing = [package for package in desired.kvm.packages if facts.packages.get(package) is None]
    if missing:
        yield Change(
            id="packages",
            role="kvm_host",
            title=f"install {', '.join(missing)}",
            before=[],
            after=missing,
            disruption=Disruption.NONE,
            reason="Guests need libvirt and QEMU; installed with the distribution's package manager.",
        )


def _services(desired: Desired, facts: Facts) -> Iterator[Change]:
    for name in desired.kvm.services:
        unit = facts.units.get(name)
        if unit is None or unit.active != "active" or unit.enabled not in ("enabled", "static", "alias", "indirect"):
            yield Change(
                id=f"unit:{name}",
                role="kvm_host",
                title=f"enable and start {name}",
                before=f"{unit.enabled}, {unit.active}" if unit and unit.load != "not-found" else None,
                after="enabled, active",
                disruption=Disruption.NONE,
                reason="libvirt must answer now and after each boot.",
            )


def _kernel_args(desired: Desired, wanted_files: dict[str, str | None], facts: Facts) -> Iterator[Change]:
    wanted = [arg.token for arg in desired.kernel_args]
    ours = Previous(facts).kernel_args
    state = compare(wanted, facts.cmdline.running, facts.cmdline.configured, ours)
    if not (state.reboot or state.configure or _drifted(files.GRUB, wanted_files, facts)):
        return
    keys = {setting.key for setting in settings([*wanted, *ours])}
    if state.reboot and not state.configure:
        reason = "They are configured, but only a reboot brings them into force."
    elif state.reboot:
        reason = "The kernel reads its arguments only once, when it boots."
    else:
        reason = "The running kernel has them already; they are written down so that the next boot has them too."
    yield Change(
        id="kernel-args",
        role="kernel_args",
        title="kernel arguments",
        before=[
            token
            for setting in settings(facts.cmdline.running)
            if managed(setting.key) or setting.key in keys
            for token in setting.tokens
        ],
        after=wanted,
        disruption=Disruption.REBOOT if state.reboot else Disruption.NONE,
        reason=reason,
    )


def _drifted(path: str, wanted_files: dict[str, str | None], facts: Facts) -> bool:
    found, wanted = facts.files.get(path), wanted_files[path]
    if found is None or wanted is None:
        return (found is None) != (wanted is None)
    return found.content != wanted


def _file_changes(wanted_files: dict[str, str | None], facts: Facts, role: str, reason: str) -> Iterator[Change]:
    for path, wanted in wanted_files.items():
        if files.ROLE_OF[path] == role and _drifted(path, wanted_files, facts):
            found = facts.files.get(path)
            verb = "write" if found is None else "remove" if wanted is None else "rewrite"
            yield Change(
                id=f"file:{path}",
                role=role,
                title=f"{verb} {path}",
                before=found.content if found else None,
                after=wanted,
                disruption=Disruption.NONE,
                reason=f"So that {reason}." if wanted is not None else "The plan no longer needs it.",
            )


def _vfio(desired: Desired, facts: Facts) -> Iterator[Change]:
    for module in desired.vfio.modules:
        if module.replace("-", "_") not in facts.kernel_modules:
            yield Change(
                id=f"vfio-module:{module}",
                role="iommu",
                title=f"load the kernel module {module}",
                before="not loaded",
                after="loaded",
                disruption=Disruption.NONE,
                reason="Devices for guests and DPDK programs are bound to it.",
            )
    for entry in desired.vfio.options:
        live = facts.module_parameters.get(entry.module.replace("-", "_"), {})
        wrong = {
            name: (live[name], value)
            for name, value in sorted(entry.options.items())
            if name in live and _option(live[name]) != _option(value)
        }
        if wrong:
            yield Change(
                id=f"vfio-options:{entry.module}",
                role="iommu",
                title=f"options of {entry.module}",
                before={name: was for name, (was, _) in wrong.items()},
                after={name: value for name, (_, value) in wrong.items()},
                disruption=Disruption.REBOOT,
                reason="The module is loaded already and reads its options only when it is loaded.",
            )


def _option(text: str) -> str:
    """Boolean parameters read back as Y and N, however they were written."""
    return {"1": "Y", "y": "Y", "true": "Y", "on": "Y", "0": "N", "n": "N", "false": "N", "off": "N"}.get(
        text.lower(), text
    )


def _irqbalance(desired: Desired, wanted_files: dict[str, str | None], facts: Facts) -> Iterator[Change]:
    if _drifted(files.IRQBALANCE, wanted_files, facts):
        found = facts.files.get(files.IRQBALANCE)
        yield Change(
            id="irqbalance",
            role="cpu_isolation",
            title="keep irqbalance off the isolated CPUs",
            before=found.content if found else None,
            after=wanted_files[files.IRQBALANCE],
            disruption=Disruption.NONE,
            reason="irqbalance would move interrupts back onto the CPUs that were cleared of them."
            if desired.irqbalance.manage
            else "No CPU is isolated any more.",
        )


def _record(desired: Desired, wanted_files: dict[str, str | None], facts: Facts) -> Iterator[Change]:
    wants_something = wanted_files[files.HOST_JSON] is not None or desired.kvm.packages
    if wants_something and facts.files.get(files.RECORD) is None:
        yield Change(
            id="record",
            role="record",
            title=f"leave the plan in {files.RECORD}",
            before=None,
            after="this plan",
            disruption=Disruption.NONE,
            reason="Whoever verifies the host later needs to know what it shall be.",
        )


def _units(desired: Desired, facts: Facts) -> Iterator[Change]:
    for name in files.UNITS:
        unit = facts.units.get(name)
        enabled, wanted = unit is not None and unit.enabled == "enabled", name in desired.units
        if enabled != wanted:
            yield Change(
                id=f"unit:{name}",
                role="persistence",
                title=f"{'enable' if wanted else 'disable'} {name}",
                before="enabled" if enabled else None,
                after="enabled" if wanted else None,
                disruption=Disruption.NONE,
                reason="It restores at each boot what the kernel forgets."
                if wanted
                else "There is nothing left for it to restore.",
            )


def _hugepages(desired: Desired, facts: Facts, misfits: Misfits) -> Iterator[Change]:
    have = {(node.id, pool.size_bytes): pool for node in facts.nodes for pool in node.hugepages}
    wanted = [arg.token for arg in desired.kernel_args if arg.feature == "hugepages"]
    boots = bool(missing(facts.cmdline.running, wanted))
    for pool in desired.hugepages:
        found = have.get((pool.node, pool.size_bytes))
        total = found.total if found else 0
        if total == pool.count:
            continue
        size = format_size(pool.size_bytes)
        in_use = found.total - found.free if found else 0
        if pool.count < in_use:
            misfits.add(
                "NFV-PLAN-044",
                f"node {pool.node} shall have {pool.count} huge pages of {size}, but {in_use} are in use:"
                f" {in_use - pool.count} too few",
                "the kernel does not take pages away from those who use them",
                "stop the guests or programs that use them, or ask for more pages",
            )
            continue
        needs_boot = pool.when == "boot" and boots
        yield Change(
            id=f"hugepages:node{pool.node}:{pool.size_bytes // 1024}kB",
            role="hugepages",
            title=f"huge pages of {size} on node {pool.node}",
            before=total,
            after=pool.count,
            disruption=Disruption.REBOOT if needs_boot else Disruption.NONE,
            reason="Reserved by the kernel at boot, while memory is in one piece."
            if needs_boot
            else "Reserved now, and at each boot before guests start.",
        )
