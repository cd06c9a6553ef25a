# SPDX-License-Identifier: Apache-2.0
"""Drivers of VFs: bound now, held by driver_override, and bound again at boot."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.verify.case import RESTORE, Case, Vf
from nfvcap.verify.expect import Expect, check

# Drivers that never bind by themselves: they hold a device only through driver_override.
BY_OVERRIDE = {"vfio-pci", "pci-stub", "uio_pci_generic"}


def vfs(case: Case) -> Iterable[tuple[str, Vf]]:
    return [(vf.subject, vf) for vf in case.vfs]


@check("NFV-STATE-070", vfs)
def check_driver_in_force(case: Case, item: Vf, expect: Expect) -> None:
    device, wanted = case.vf(item), item.target.driver
    good = device.driver == wanted if wanted else device.driver not in {None, *BY_OVERRIDE}
    guest = case.lent_to(device.address)
    lent = f", lent to the guest {guest}" if guest else ""
    expect(
        good or (bool(guest) and device.driver == "vfio-pci"),
        found=(device.driver or "no driver") + lent,
        wanted=wanted or "the kernel's own driver",
        fix=case.provision(f"echo {device.address} > /sys/bus/pci/drivers_probe"),
    )


@check("NFV-STATE-071", vfs)
def check_override(case: Case, item: Vf, expect: Expect) -> None:
    device, wanted = case.vf(item), item.target.driver
    good = device.override == wanted if wanted in BY_OVERRIDE else device.override in {None, wanted or None}
    here = f"/sys/bus/pci/devices/{device.address}/driver_override"
    expect(
        good or case.lent_to(device.address) is not None,
        found=device.override or "not set",
        wanted=wanted if wanted in BY_OVERRIDE else "not set",
        fix=case.provision(f"echo {wanted} > {here}" if wanted else f"echo > {here}"),
    )


@check("NFV-STATE-072", vfs)
def check_driver_at_boot(case: Case, item: Vf, expect: Expect) -> None:
    if not case.restore:
        pytest.skip(f"{RESTORE} is missing (NFV-STATE-009)")
    record = case.restored_vf(item)
    if record is None:
        pytest.skip("the PF's record is not as planned (NFV-STATE-053)")
    wanted = item.target.driver
    driverctl = {
        path: text
        for path, text in case.snapshot.matching(f"/etc/driverctl.d/pci-{item.target.address or '-'}").items()
        if text != wanted
    }
    expect(
        record.get("driver", "") == wanted and not driverctl,
        found="; ".join(
            [str(record.get("driver") or "the kernel's own"), *(f"{p}: {t}" for p, t in driverctl.items())]
        ),
        wanted=f"{wanted or 'the kernel’s own driver'} in {RESTORE}, and no driverctl record against it",
        fix=case.provision(f"driverctl unset-override {item.target.address}" if driverctl else ""),
    )
