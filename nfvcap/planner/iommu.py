# SPDX-License-Identifier: Apache-2.0
"""The IOMMU and vfio: who needs them, and whether this machine has them."""

from __future__ import annotations

from nfvcap.model.facts import Facts
from nfvcap.model.intent import Intent
from nfvcap.model.plan import KernelArg, ModuleOptions, Vfio
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.reasons import Reasons
from nfvcap.planner.tokens import missing
from nfvcap.planner.vfs import VFIO, Port


def need(ports: dict[str, Port]) -> str:
    """Who cannot do without an IOMMU, in words; "" when nobody."""
    for port in ports.values():
        if port.takers:
            taken, guest = next(iter(port.takers.items()))
            return f"guest {guest} gets VF {taken} of {port.label}"
        index = next((i for i in range(port.intent.vfs) if port.driver_of(i) == VFIO), None)
        if index is not None:
            return f"VF {index} of {port.label} is to be bound to vfio-pci"
    return ""


def wanted(ports: dict[str, Port], facts: Facts) -> bool:
    """VFs are made to be handed out, so the arguments are set wherever there is an IOMMU to switch on."""
    return any(port.intent.vfs for port in ports.values()) and facts.iommu.in_acpi is not False


def check(ports: dict[str, Port], facts: Facts, args: tuple[KernelArg, ...], misfits: Misfits) -> None:
    """Refuse what needs an IOMMU on a machine that has none, or whose kernel does not use it."""
    who = need(ports)
    if not who or facts.iommu.enabled:
        return
    if facts.iommu.in_acpi is False:
        misfits.add(
            "NFV-PLAN-052",
            f"{who}, but this machine shows no IOMMU",
            "neither a DMAR (Intel) nor an IVRS (AMD) table in ACPI",
            "switch on VT-d, AMD-Vi or IOMMU in the firmware setup; without one a device could write anywhere",
        )
        return
    tokens = [arg.token for arg in args if arg.feature == "iommu"]
    if facts.iommu.in_acpi and not missing(facts.cmdline.running, tokens):
        misfits.add(
            "NFV-PLAN-053",
            f"{who}, but the kernel does not use the machine's IOMMU",
            f"the firmware describes one and {' '.join(tokens) or 'nothing'} is on the kernel command line,"
            " yet /sys/class/iommu is empty",
            "look for DMAR or AMD-Vi in dmesg; the kernel may lack the driver or a firmware table may be broken",
        )


def check_groups(ports: dict[str, Port], facts: Facts, misfits: Misfits) -> None:
    """Warn when a VF shares its IOMMU group: vfio takes the whole group or nothing."""
    members = {group.id: group.devices for group in facts.iommu.groups}
    for port in ports.values():
        for vf in port.nic.sriov.vfs if port.nic.sriov else ():
            others = [
                device
                for device in members.get(-1 if vf.iommu_group is None else vf.iommu_group, ())
                if device != vf.address
            ]
            if others and (port.driver_of(vf.index) == VFIO or vf.index in port.takers):
                misfits.warn(
                    f"VF {vf.index} of {port.label} shares IOMMU group {vf.iommu_group} with {', '.join(others)}: vfio"
                    " hands out groups as a whole, so the others must be given along or the slot lacks ACS"
                )


def vfio(intent: Intent, ports: dict[str, Port], reasons: Reasons) -> Vfio:
    """Module and options that user-space drivers need."""
    if not need(ports):
        return Vfio(modules=(), options=())
    reasons.add("vfio", "vfio-pci lets guests and DPDK programs drive a device, confined by the IOMMU.")
    options = dict(intent.vfio.options)
    return Vfio(modules=(VFIO,), options=(ModuleOptions(module=VFIO, options=options),) if options else ())
