# SPDX-License-Identifier: Apache-2.0
"""The IOMMU of a machine: what the firmware offers, what the kernel uses, and which devices it can tell apart."""

from __future__ import annotations

from typing import Any

from .nfvcap_machine import Machine

_ACPI = "/sys/firmware/acpi/tables"
_TABLES = {"DMAR": "intel", "IVRS": "amd", "VIOT": "other"}
_GROUPS = "/sys/kernel/iommu_groups"
_IRQS = "/sys/kernel/irq"
_ENOUGH_IRQS = 64


def read_iommu(machine: Machine) -> dict[str, Any]:
    """The part `iommu` of the facts."""
    units = machine.listdir("/sys/class/iommu")
    in_acpi, kind = _in_acpi(machine)
    return {
        "in_acpi": in_acpi,
        "kind": kind or _kind_of_units(units),
        "enabled": bool(units),
        "interrupt_remapping": _interrupt_remapping(machine),
        "groups": [
            {"id": group, "devices": machine.listdir(f"{_GROUPS}/{group}/devices")}
            for group in sorted(int(name) for name in machine.listdir(_GROUPS) if name.isdigit())
        ],
    }


def _in_acpi(machine: Machine) -> tuple[bool | None, str | None]:
    tables = machine.listdir(_ACPI)
    if not tables:
        machine.problem(f"no ACPI tables in {_ACPI}: cannot tell whether the firmware offers an IOMMU")
        return None, None
    for table, kind in _TABLES.items():
        if table in tables:
            return True, kind
    if "IORT" in tables:  # Arm: describes interrupt routing too, so its presence alone says nothing
        return None, "other"
    return False, None


def _kind_of_units(units: list[str]) -> str | None:
    if not units:
        return None
    return {"dmar": "intel", "ivhd": "amd"}.get(units[0][:4], "other")


def _interrupt_remapping(machine: Machine) -> bool | None:
    """x86 kernels name the interrupt chips `IR-IO-APIC`, `IR-PCI-MSI…` when interrupts go through the IOMMU."""
    for number in sorted(machine.listdir(_IRQS), key=lambda name: (len(name), name))[:_ENOUGH_IRQS]:
        chip = machine.value(f"{_IRQS}/{number}/chip_name") or ""
        if chip.startswith(("IR-", "AMD-IR-", "INTEL-IR-")):
            return True
        if chip.startswith(("IO-APIC", "PCI-MSI")):
            return False
    return None
