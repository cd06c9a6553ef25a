# SPDX-License-Identifier: Apache-2.0
"""IOMMU and VFIO: devices can be handed to guests safely."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.verify.case import Case, Vf
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.modules import is_loaded, loaded_at_boot, option_at_boot, same_value

# Drivers that leave a device to user space; another member of a group with one of these does no harm.
HARMLESS = {None, "vfio-pci", "pci-stub"}


def wants_iommu(case: Case) -> bool:
    uses_vfio = any(vf.target.driver == "vfio-pci" for vf in case.vfs)
    return uses_vfio or any(arg.feature == "iommu" for arg in case.desired.kernel_args)


def iommu_units(case: Case) -> tuple[str, ...]:
    return case.snapshot.names("/sys/class/iommu") or ()


def modules(case: Case) -> Iterable[tuple[str, str]]:
    return [(name, name) for name in case.desired.vfio.modules]


def options(case: Case) -> Iterable[tuple[str, tuple[str, str, str]]]:
    return [
        (f"{entry.module} {key}", (entry.module, key, value))
        for entry in case.desired.vfio.options
        for key, value in entry.options.items()
    ]


@check("NFV-STATE-020", lambda case: [("", None)] if wants_iommu(case) else [])
def check_iommu_is_enabled(case: Case, expect: Expect) -> None:
    found = iommu_units(case)
    expect(
        bool(found),
        found=", ".join(found) or "no IOMMU unit",
        wanted="at least one unit in /sys/class/iommu",
        fix=f"enable VT-d or AMD-Vi in the firmware setup, then {case.provision()}",
    )


@check("NFV-STATE-021", lambda case: [(vf.subject, vf) for vf in case.vfs])
def check_group_is_viable(case: Case, item: Vf, expect: Expect) -> None:
    if not iommu_units(case):
        pytest.skip("the IOMMU is not enabled (NFV-STATE-020)")
    device = case.vf(item)
    if device.group is None:
        expect(False, found="no IOMMU group", wanted="a viable group", fix="dmesg | grep -i -e DMAR -e IOMMU")
        return
    others = [
        f"{address} ({driver})"
        for address in case.pci.group_members(device.group)
        if address != device.address and not case.pci.is_bridge(address)
        if (driver := case.pci.driver_of(address)) not in HARMLESS
    ]
    expect(
        not others,
        found=f"group {device.group}" + (f" shared with {', '.join(others)}" if others else ""),
        wanted="no other device with a host driver in the group",
        fix="put the NIC into a slot with access control (ACS), or unbind the other devices",
    )


@check("NFV-STATE-022", modules)
def check_module_is_loaded(case: Case, item: str, expect: Expect) -> None:
    loaded = is_loaded(case.snapshot, item)
    expect(loaded, found="loaded" if loaded else "not loaded", wanted="loaded", fix=case.provision(f"modprobe {item}"))


@check("NFV-STATE-023", modules)
def check_module_at_boot(case: Case, item: str, expect: Expect) -> None:
    source = loaded_at_boot(case.snapshot, item)
    expect(
        bool(source),
        found=source or "named in no modules-load.d file",
        wanted="loaded at boot",
        fix=case.provision(),
    )


@check("NFV-STATE-024", options)
def check_option_in_force(case: Case, item: tuple[str, str, str], expect: Expect) -> None:
    module, key, wanted = item
    if not is_loaded(case.snapshot, module):
        pytest.skip(f"{module} is not loaded (NFV-STATE-022)")
    found = case.snapshot.text(f"/sys/module/{module.replace('-', '_')}/parameters/{key}")
    expect(
        found is not None and same_value(found, wanted),
        found="no such parameter" if found is None else f"{key}={found}",
        wanted=f"{key}={wanted}",
        fix=case.provision(f"modprobe -r {module} && modprobe {module}"),
    )


@check("NFV-STATE-025", options)
def check_option_at_boot(case: Case, item: tuple[str, str, str], expect: Expect) -> None:
    module, key, wanted = item
    found = option_at_boot(case.snapshot, module, key)
    expect(
        found is not None and same_value(found, wanted),
        found="not set in modprobe.d" if found is None else f"{key}={found}",
        wanted=f"{key}={wanted}",
        fix=case.provision(),
    )
