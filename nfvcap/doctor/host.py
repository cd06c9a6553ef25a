# SPDX-License-Identifier: Apache-2.0
"""Judges a host by its facts alone; pure. A check is a function in :data:`CHECKS` and an entry of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nfvcap.doctor import finding
from nfvcap.model.facts import Facts, Nic
from nfvcap.model.result import Check, Verdict
from nfvcap.model.units import format_size

PASS, WARN, FAIL, SKIP = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.SKIP
_ENOUGH_BYTES = 1 << 30


def judge(facts: Facts) -> tuple[Check, ...]:
    """All findings about one host, in reading order."""
    return tuple(check for examine in CHECKS for check in examine(facts))


def _os(facts: Facts) -> Iterable[Check]:
    known = facts.os.family in {"debian", "redhat"}
    yield finding("NFV-DOC-101", PASS if known else FAIL, f"{facts.os.name} ({facts.os.arch})", "Debian or RHEL family")


def _boot_loader(facts: Facts) -> Iterable[Check]:
    known = facts.cmdline.boot_loader != "unknown"
    found = facts.cmdline.boot_loader + (f", {facts.cmdline.config_source}" if facts.cmdline.config_source else "")
    yield finding("NFV-DOC-102", PASS if known else FAIL, found, "GRUB")


def _virtualisation(facts: Facts) -> Iterable[Check]:
    yield finding("NFV-DOC-103", PASS if facts.cpu.virt else FAIL, facts.cpu.virt or "none", "vmx or svm")


def _iommu(facts: Facts) -> Iterable[Check]:
    iommu = facts.iommu
    acpi = {True: (PASS, "present"), False: (FAIL, "absent"), None: (WARN, "ACPI tables cannot be read")}
    verdict, found = acpi[iommu.in_acpi]
    # Not every platform describes its IOMMU in ACPI: one that works is proof enough.
    yield finding("NFV-DOC-104", PASS if iommu.enabled else verdict, f"{found} ({iommu.kind or 'no kind'})", "present")
    yield finding(
        "NFV-DOC-105", PASS if iommu.enabled else WARN, f"{'on' if iommu.enabled else 'off'}, "
        f"{len(iommu.groups)} groups", "on",
    )  # fmt: skip
    if iommu.enabled:
        remapping = {True: (PASS, "on"), False: (WARN, "off"), None: (SKIP, "cannot be read")}[
            iommu.interrupt_remapping
        ]
        yield finding("NFV-DOC-106", *remapping, "on")


def _security(facts: Facts) -> Iterable[Check]:
    lockdown = facts.security.lockdown or "none"
    yield finding("NFV-DOC-107", PASS if lockdown == "none" else WARN, lockdown, "none")
    boot = {True: (WARN, "on"), False: (PASS, "off"), None: (PASS, "no EFI variables")}[facts.security.secure_boot]
    yield finding("NFV-DOC-108", *boot, "off, or modules that are signed")


def _memory(facts: Facts) -> Iterable[Check]:
    sizes = sorted({pool.size_bytes for node in facts.nodes for pool in node.hugepages})
    yield finding(
        "NFV-DOC-109", PASS if sizes else FAIL, ", ".join(map(format_size, sizes)) or "none", "2 MiB and 1 GiB"
    )
    if sizes and not facts.cpu.page_1g:
        yield finding("NFV-DOC-110", WARN, "no CPU flag pdpe1gb", "1 GiB pages")
    for node in facts.nodes:
        reserved = sum(pool.total * pool.size_bytes for pool in node.hugepages)
        free = node.memory_available_bytes
        yield finding(
            "NFV-DOC-111", PASS if reserved + free >= 2 * _ENOUGH_BYTES else WARN,
            f"{format_size(free)} available, {format_size(reserved)} in huge pages",
            f"{format_size(2 * _ENOUGH_BYTES)} or more together", subject=f"node {node.id}",
        )  # fmt: skip


def _ports(facts: Facts) -> Iterable[Check]:
    ports = [nic for nic in facts.nics if nic.sriov is not None and nic.physfn is None]
    usable = [nic for nic in ports if not nic.carries]
    listed = ", ".join(f"{_name(nic)}: {nic.sriov.total_vfs} VFs" for nic in ports if nic.sriov) or "none"
    yield finding("NFV-DOC-112", PASS if ports else FAIL, listed, "a port with SR-IOV")
    if ports:
        yield finding(
            "NFV-DOC-113", PASS if usable else FAIL, ", ".join(map(_name, usable)) or "none",
            "an SR-IOV port that carries neither ssh nor the default route",
        )  # fmt: skip
    for nic in ports:
        yield from _port(facts, nic)


def _port(facts: Facts, nic: Nic) -> Iterable[Check]:
    subject = _name(nic)
    yield finding(
        "NFV-DOC-114", PASS if nic.driver not in (None, "vfio-pci") else WARN, nic.driver or "none",
        "a kernel driver", subject=subject,
    )  # fmt: skip
    if len(facts.nodes) > 1:
        known = nic.node is not None
        yield finding("NFV-DOC-115", PASS if known else WARN, str(nic.node) if known else "unknown", "known",
                      subject=subject)  # fmt: skip
    if nic.eswitch_mode == "switchdev":
        yield finding("NFV-DOC-116", WARN, "switchdev", "legacy", subject=subject)
    members = {group.id: group.devices for group in facts.iommu.groups}
    vfs = nic.sriov.vfs if nic.sriov else ()
    crowded = [vf.address for vf in vfs if vf.iommu_group is not None and len(members.get(vf.iommu_group, ())) > 1]
    if vfs and facts.iommu.enabled:
        yield finding(
            "NFV-DOC-117", FAIL if crowded else PASS, f"{len(crowded)} of {len(vfs)} VFs share a group", "none",
            subject=subject,
        )  # fmt: skip


def _name(nic: Nic) -> str:
    return f"{nic.address} ({nic.name})" if nic.name else nic.address


CHECKS: tuple[Callable[[Facts], Iterable[Check]], ...] = (
    _os, _boot_loader, _virtualisation, _iommu, _security, _memory, _ports,
)  # fmt: skip
