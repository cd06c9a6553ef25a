# SPDX-License-Identifier: Apache-2.0
"""Everything that is known to keep a VF from going to a guest, looked at on the host just before anything is touched.

The controller has refused most of it already, from facts that may be seconds or hours old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .nfvcap_attachment import entry_id, words
from .nfvcap_attachxml import macs, refuse_without_port
from .nfvcap_driver import VFIO
from .nfvcap_driver import refuse as refuse_binding
from .nfvcap_failure import Failure
from .nfvcap_guests import devices_of_guests
from .nfvcap_host import Host
from .nfvcap_hypervisor import Guest, Hypervisor
from .nfvcap_ledger import Ledger
from .nfvcap_pfguard import refuse as refuse_pf
from .nfvcap_sriov import user_of

if TYPE_CHECKING:
    from .nfvcap_attach import Request


def refuse_attach(
    host: Host, nics: dict[str, dict[str, Any]], hypervisor: Hypervisor, request: Request
) -> dict[str, Any]:
    """The VF as it is, if nothing speaks against the request.

    Raises:
        Failure: see the ids.
    """
    refuse_pf(host, nics, request.pf, 0, [])
    vf = _vf(nics, request)
    _refuse_taken(host, vf, request)
    _refuse_mac(nics, hypervisor, request)
    refuse_binding(host, vf["address"], VFIO, frozenset())
    _refuse_guest(hypervisor, request)
    return vf


def _vf(nics: dict[str, dict[str, Any]], request: Request) -> dict[str, Any]:
    found = {vf["index"]: vf for vf in nics[request.pf]["sriov"]["vfs"]}
    vf = found.get(request.index)
    if vf is None:
        raise Failure(
            "NFV-ATTACH-003",
            f"VF {request.index} of {request.pf} does not exist",
            f"the PF has {len(found)} VFs",
            "name another, or raise the number in the inventory and provision",
        )
    if request.address and vf["address"] != request.address:
        raise Failure(
            "NFV-ATTACH-020",
            f"VF {request.index} of {request.pf} is not where it was when it was chosen",
            f"it is {vf['address']} now, and was {request.address}",
            "run the same command again",
        )
    return vf


def _refuse_taken(host: Host, vf: dict[str, Any], request: Request) -> None:
    user = user_of(vf)
    other = Ledger(host).entry(entry_id(request.pf, request.index))
    if other is not None:
        user = f"{words(other)} is attached already"
    elif user is None:
        owners = [uuid for uuid, devices in devices_of_guests(host).items() if vf["address"] in devices]
        user = f"it stands in the definition of the guest {owners[0]}" if owners else None
    else:
        user = f"it is in use by {user}"
    if user is not None:
        raise Failure(
            "NFV-ATTACH-004",
            f"VF {request.index} of {request.pf} ({vf['address']}) is taken",
            user,
            "name another VF, or none to have a free one chosen",
        )


def _refuse_mac(nics: dict[str, dict[str, Any]], hypervisor: Hypervisor, request: Request) -> None:
    owners = {str(nic["mac"]).lower(): f"the port {address}" for address, nic in nics.items() if nic["mac"]}
    for pf, nic in nics.items():
        if nic["physfn"]:
            owners.pop(str(nic["mac"]).lower(), None)  # a VF's own interface has the address of its VF
        for vf in nic["sriov"]["vfs"] if nic["sriov"] else ():
            if vf["mac"] and (pf, vf["index"]) != (request.pf, request.index):
                owners[str(vf["mac"]).lower()] = f"VF {vf['index']} of {pf}"
    for guest in hypervisor.guests():
        for mac in macs(guest.live_xml()):
            owners.setdefault(mac, f"an interface of guest {guest.name}")
    owner = owners.get(request.mac.lower())
    if owner is not None:
        raise Failure(
            "NFV-ATTACH-007",
            f"the MAC address {request.mac} is taken",
            f"{owner} has it; two ports with one address take frames from each other",
            "name another with --mac, or none to have one made",
        )


def _refuse_guest(hypervisor: Hypervisor, request: Request) -> None:
    guest = hypervisor.guest(request.uuid)
    if guest is None:
        raise Failure(
            "NFV-ATTACH-001",
            f"there is no guest {request.guest}",
            f"libvirt knows no guest {request.uuid}; it knows {_names(hypervisor)}",
            "`virsh list --all` on the host shows the guests",
        )
    if request.live:
        _refuse_live(guest)
    if request.config and not guest.persistent:
        raise Failure(
            "NFV-ATTACH-018",
            f"guest {guest.name} has no definition that would last",
            "it is transient: libvirt forgets it when it ends",
            "use --live",
        )


def _refuse_live(guest: Guest) -> None:
    if not guest.running or guest.paused:
        raise Failure(
            "NFV-ATTACH-002",
            f"guest {guest.name} does not run",
            "it is paused" if guest.running else "it is off: there is nothing to plug the VF into",
            "start (or resume) it, or use --config to have the VF at its next start",
        )
    refuse_without_port(guest.live_xml(), guest.name)


def _names(hypervisor: Hypervisor) -> str:
    return ", ".join(sorted(guest.name for guest in hypervisor.guests())) or "none"
