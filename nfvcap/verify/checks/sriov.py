# SPDX-License-Identifier: Apache-2.0
"""PFs and their VFs: all there, on the right node, none too many, and put back at boot."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.model.plan import PfTarget
from nfvcap.verify.case import RESTORE, Case
from nfvcap.verify.expect import Expect, check
from nfvcap.verify.pci import Device

# Drivers that make a PF useless for administering VFs by `ip link`.
NO_NETWORK = {None, "vfio-pci", "pci-stub", "uio_pci_generic", "igb_uio"}


def pfs(case: Case) -> Iterable[tuple[str, PfTarget]]:
    return [(pf.address, pf) for pf in case.desired.pfs]


def pfs_with_vfs(case: Case) -> Iterable[tuple[str, PfTarget]]:
    return [(pf.address, pf) for pf in case.desired.pfs if pf.num_vfs]


def stray_candidates(case: Case) -> Iterable[tuple[str, Device]]:
    """SR-IOV devices that the plan does not speak of."""
    planned = {pf.address for pf in case.desired.pfs} | set(case.plan.protected)
    return [
        (address, device)
        for address, device in case.pci.devices.items()
        if device.num_vfs is not None and address not in planned
    ]


def words(num_vfs: object, admin_up: object) -> str:
    return f"{num_vfs} VFs" + (", set up" if admin_up else "")


@check("NFV-STATE-050", pfs)
def check_pf_is_there(case: Case, item: PfTarget, expect: Expect) -> None:
    device = case.pci.devices.get(item.address)
    if device is None:
        found = "no network device at this address"
    else:
        found = "no SR-IOV" if device.num_vfs is None else f"{device.vendor}:{device.device} with SR-IOV"
    expect(
        device is not None and device.num_vfs is not None,
        found=found,
        wanted="a network device with SR-IOV",
        fix="look at `lspci -nn` on the host, and at SR-IOV in the firmware setup; correct the inventory if it moved",
    )


@check("NFV-STATE-051", pfs_with_vfs)
def check_pf_has_its_driver(case: Case, item: PfTarget, expect: Expect) -> None:
    driver = case.pf(item.address).driver
    expect(
        driver not in NO_NETWORK,
        found=driver or "no driver",
        wanted="the kernel's network driver",
        fix=f"on the host: echo {item.address} > /sys/bus/pci/drivers_probe; then {case.provision()}",
    )


@check("NFV-STATE-052", pfs)
def check_vfs_are_there(case: Case, item: PfTarget, expect: Expect) -> None:
    device = case.pf(item.address)
    if device.num_vfs is None:
        pytest.skip(f"{item.address} has no SR-IOV (NFV-STATE-050)")
    if item.num_vfs and device.driver in NO_NETWORK:
        pytest.skip(f"the PF {item.address} has no network driver (NFV-STATE-051)")
    linked = [index for index, vf in device.vfs.items() if vf in case.pci.devices]
    good = device.num_vfs == item.num_vfs and sorted(linked) == list(range(item.num_vfs))
    found = f"{device.num_vfs} VFs"
    if device.num_vfs != len(linked):
        found += f", of which {len(linked)} are on the bus"
    expect(good, found=found, wanted=f"{item.num_vfs} VFs", fix=case.provision())


@check("NFV-STATE-053", pfs_with_vfs)
def check_vfs_are_put_back_at_boot(case: Case, item: PfTarget, expect: Expect) -> None:
    if not case.restore:
        pytest.skip(f"{RESTORE} is missing (NFV-STATE-009)")
    records = [
        (entry.get("num_vfs"), entry.get("admin_up"))
        for entry in case.restore.get("pfs", ())
        if entry.get("address") == item.address
    ]
    expect(
        records == [(item.num_vfs, item.admin_up)],
        found=words(*records[0]) if records else "not in the record",
        wanted=f"{words(item.num_vfs, item.admin_up)} in {RESTORE}",
        fix=case.provision(),
    )


@check("NFV-STATE-054", lambda case: [(name, pf) for name, pf in pfs(case) if pf.admin_up])
def check_pf_is_up(case: Case, item: PfTarget, expect: Expect) -> None:
    name = case.pf_interface(item.address)
    up = case.links.is_up(name)
    expect(
        up,
        found=f"{name} is {'up' if up else 'down'}",
        wanted="up (a VF does not come up below a PF that is down)",
        fix=case.provision(f"ip link set {name} up"),
    )


@check("NFV-STATE-055", pfs_with_vfs)
def check_numa_node(case: Case, item: PfTarget, expect: Expect) -> None:
    device = case.pf(item.address)
    if item.node is None:
        pytest.skip("the firmware does not say which NUMA node the NIC is on")
    nodes = {device.address: device.node}
    nodes |= {vf: case.pci.devices[vf].node for vf in device.vfs.values() if vf in case.pci.devices}
    wrong = {address: node for address, node in nodes.items() if node != item.node}
    expect(
        not wrong,
        found=", ".join(f"{address} on {node}" for address, node in wrong.items()) or f"all on node {item.node}",
        wanted=f"the PF and its VFs on node {item.node}",
        fix=f"the NIC was moved to another slot: nfvcap plan {case.host}{case.options}, then {case.provision()}",
    )


@check("NFV-STATE-056", stray_candidates)
def check_no_stray_vfs(case: Case, item: Device, expect: Expect) -> None:
    ours = f"sriov:{item.address}" in case.ledger
    by_hand = f"on the host: echo 0 > /sys/bus/pci/devices/{item.address}/sriov_numvfs"
    # Only a warning, for VFs of an earlier plan as well: provision leaves them alone, and its plan says so.
    expect.warn_unless(
        item.num_vfs == 0,
        found=f"{item.num_vfs} VFs, " + ("made by nfvcap" if ours else "not made by nfvcap"),
        wanted="0 VFs on a PF that is not in the plan",
        fix=f"list the port with vfs: 0 in the inventory, then {case.provision()}; or wait for the next boot"
        if ours
        else f"plan the PF, or {by_hand}",
    )
