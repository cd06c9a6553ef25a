# SPDX-License-Identifier: Apache-2.0
"""What must not be touched: the NICs that carry ssh and the default route."""

from __future__ import annotations

from collections.abc import Iterable

from nfvcap.verify.case import Case
from nfvcap.verify.checks.sriov import NO_NETWORK
from nfvcap.verify.expect import Expect, check


def protected(case: Case) -> Iterable[tuple[str, str]]:
    return [(address, address) for address in case.plan.protected]


@check("NFV-STATE-090", protected)
def check_protected_nic_is_untouched(case: Case, item: str, expect: Expect) -> None:
    device = case.pci.devices.get(item)
    wrong = []
    if device is None:
        wrong.append("not there")
    else:
        if device.driver in NO_NETWORK:
            wrong.append(f"driver {device.driver or 'none'}")
        if device.override in NO_NETWORK - {None}:
            wrong.append(f"driver_override {device.override}")
        if device.num_vfs and f"sriov:{item}" in case.ledger:
            wrong.append(f"{device.num_vfs} VFs made by nfvcap")
    wrong += [f"{entry} in the ledger" for entry in case.ledger if item in entry.partition(":")[2]]
    expect(
        not wrong,
        found=", ".join(wrong) or "untouched",
        wanted="its own driver and nothing in the ledger",
        fix=f"nfvcap deprovision {case.host}{case.options}; this must not happen, please report it with the ledger",
    )


@check("NFV-STATE-091", protected)
def check_protected_nic_is_up(case: Case, item: str, expect: Expect) -> None:
    device = case.pci.devices.get(item)
    names = device.interfaces if device else ()
    # Virtio interfaces hang one level below their PCI device.
    names = names or tuple(name for name in case.links.by_name if item in case.links.below(name))
    down = [name for name in names if not case.links.is_up(name)]
    expect(
        bool(names) and not down,
        found=f"{', '.join(down)} down" if down else ", ".join(names) + " up" if names else "no interface",
        wanted="up",
        fix=f"on the host: ip link set {down[0] if down else 'INTERFACE'} up",
    )


@check("NFV-STATE-092")
def check_way_in_is_not_managed(case: Case, expect: Expect) -> None:
    managed = {pf.address for pf in case.desired.pfs}
    managed |= {vf for pf in managed if pf in case.pci.devices for vf in case.pci.devices[pf].vfs.values()}
    carriers = case.links.default_routes() | case.links.of_ssh()
    caught = {name: sorted(case.links.below(name) & managed) for name in carriers}
    words = [f"{name} ({', '.join(addresses)})" for name, addresses in sorted(caught.items()) if addresses]
    expect(
        not words,
        found=", ".join(words) or f"carried by {', '.join(sorted(carriers)) or 'no interface'}",
        wanted="neither ssh nor the default route goes over a planned PF",
        fix="move the default route or the ssh address to another NIC, or take the PF out of the inventory",
    )
