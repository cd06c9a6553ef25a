# SPDX-License-Identifier: Apache-2.0
"""A NIC that a running guest has for the length of a measurement, by hot plug: macvtap over a PF's interface, or a
whole PF that vfio-pci has.

It is only ever in the running guest, never in its definition, and it is recognised by its alias; so it is gone with
the guest's next start at the latest. The ledger has an entry as long as it may be there: whoever was killed before
taking it out leaves it to the next measurement, or to deprovision.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from .nfvcap_attachsteps import has_live
from .nfvcap_attachxml import free_ports, refuse_without_port
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hypervisor import Guest, Hypervisor
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome
from .nfvcap_pfguard import refuse as refuse_pf
from .nfvcap_sriov import read_pfs

KIND = "guest-nic"
ALIAS = "ua-nfvcap-matrix"
PASSTHROUGH = "passthrough"
MODELS = ("virtio", "e1000", PASSTHROUGH)
_NIC = "the temporary NIC"


@dataclass(frozen=True)
class NicWanted:
    """What a guest is to get.

    Args:
        guest: its name.
        pf: PCI address of the PF whose interface the NIC is on, or which is the NIC.
        model: one of ``MODELS``.
        mac: address of the NIC, and of the macvtap interface under it; a PF has its own.
        by: who asks; kept in the ledger.
    """

    guest: str
    pf: str
    model: str
    mac: str
    by: str = ""


def entry_id(uuid: str) -> str:
    """Id of the ledger's entry: a guest has one such NIC at most."""
    return f"{KIND}:{uuid}"


def entries(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """All such NICs that may be there."""
    return ledger.of_kind(KIND)


def plug(host: Host, wanted: NicWanted, outcome: Outcome, check: bool, timeout_s: float) -> None:
    """Give the running guest the NIC; what an earlier run has left in any guest is taken out first.

    Raises:
        Failure: NFV-SRIOV-001 to -003 the PF is not one to be used, NFV-GUEST-041 it has no interface that is up, or is
            to be passed through and vfio-pci does not have it,
            NFV-ATTACH-001, -002, -012 the guest cannot take it, NFV-ATTACH-010 libvirt refuses, NFV-GUEST-040
            an earlier one does not go. After any of them the guest does not have it.
    """
    hypervisor = Hypervisor(host)
    try:
        interface = _ready(host, wanted)
        guest = _running(hypervisor, wanted.guest)
        outcome.add(f"guest:{guest.name}:live", None, f"{wanted.model} NIC {wanted.mac} on {interface or wanted.pf}")
        if check:
            return
        unplug(host, outcome, False, timeout_s, told=False)
        live = guest.live_xml()
        refuse_without_port(live, guest.name)
        ledger = Ledger(host)
        outcome.begun = True
        ledger.record(
            entry_id(guest.uuid), KIND, None, guest={"name": guest.name, "uuid": guest.uuid}, pf=wanted.pf,
            model=wanted.model, mac=wanted.mac, by=wanted.by,
        )  # fmt: skip
        try:
            guest.attach(nic_xml(wanted, interface, live), live=True, what=_NIC)
            if not has_live(guest, ALIAS):
                raise Failure(
                    "NFV-ATTACH-010", f"guest {guest.name} does not have {_NIC}",
                    "libvirt reported success, and the guest read back lacks it",
                    "`journalctl -u libvirtd` on the host says more",
                )  # fmt: skip
        except (Failure, OSError):
            with suppress(Failure, OSError):  # the first failure is the one to be told; the entry stays if this fails
                take_out(hypervisor, ledger, entry_id(guest.uuid), timeout_s)
            raise
    finally:
        hypervisor.close()


def unplug(host: Host, outcome: Outcome, check: bool, timeout_s: float, *, told: bool = True) -> None:
    """Take such NICs out of all guests that have one.

    Args:
        told: it is what was asked for, and not putting in order what somebody else has left.

    Raises:
        Failure: NFV-GUEST-040 a guest does not release it; the others are out.
    """
    ledger, hypervisor = Ledger(host), Hypervisor(host)
    stuck: Failure | None = None
    try:
        for name, entry in entries(ledger):
            words = f"{entry['model']} NIC {entry['mac']} on {entry['pf']}"
            outcome.add(f"guest:{entry['guest']['name']}:live", words, None)
            if not told:
                outcome.notes.append(f"an earlier run had left a {words} in guest {entry['guest']['name']}")
            if check:
                continue
            outcome.begun = True
            try:
                take_out(hypervisor, ledger, name, timeout_s)
            except Failure as failure:
                stuck = failure
        if stuck is not None:
            raise stuck
    finally:
        hypervisor.close()


def take_out(hypervisor: Hypervisor, ledger: Ledger, name: str, timeout_s: float) -> None:
    """Take the NIC of one entry out of its guest, and the entry out of the ledger.

    Raises:
        Failure: NFV-GUEST-040 the guest does not release it.
    """
    wanted = (ledger.entry(name) or {})["guest"]
    guest = hypervisor.guest(wanted["uuid"])
    if guest is not None and has_live(guest, ALIAS):
        answer = guest.detach_live(ALIAS, lambda: has_live(guest, ALIAS), timeout_s, what=_NIC)
        if answer != "removed":
            raise Failure(
                "NFV-GUEST-040",
                f"guest {guest.name} does not release {_NIC}",
                "it refused" if answer == "refused" else f"it did not answer within {timeout_s:g} s",
                f"`virsh detach-device-alias {guest.name} {ALIAS} --live` on the host tries it again; with the guest's"
                " next start it is gone in any case",
            )
    ledger.remove(name)


def restore_nic(host: Host, ledger: Ledger, name: str, timeout_s: float = 60.0) -> None:
    """For deprovision: take the NIC of one entry out."""
    hypervisor = Hypervisor(host)
    try:
        take_out(hypervisor, ledger, name, timeout_s)
    finally:
        hypervisor.close()


def nic_xml(wanted: NicWanted, interface: str, live_xml: str) -> str:
    """Macvtap in mode bridge, or the PF as it is; without a boot ROM."""
    device = _whole_pf(wanted.pf) if wanted.model == PASSTHROUGH else _macvtap(wanted, interface, live_xml)
    ElementTree.SubElement(device, "rom", enabled="no")
    ElementTree.SubElement(device, "alias", name=ALIAS)
    ports = free_ports(live_xml)
    if ports:
        # libvirt puts a conventional PCI device into a PCI Express port only when it is told to.
        ElementTree.SubElement(
            device, "address", type="pci", domain="0x0000", bus=f"0x{ports[0]:02x}", slot="0x00", function="0x0"
        )
    return ElementTree.tostring(device, encoding="unicode")


def _macvtap(wanted: NicWanted, interface: str, live_xml: str) -> ElementTree.Element:
    device = ElementTree.Element("interface", type="direct")
    ElementTree.SubElement(device, "mac", address=wanted.mac)
    ElementTree.SubElement(device, "source", dev=interface, mode="bridge")
    ElementTree.SubElement(device, "model", type=wanted.model)
    if wanted.model == "virtio" and ElementTree.fromstring(live_xml).find("devices/iommu") is not None:
        # Else the device goes past the guest's IOMMU, and a program behind vfio-pci there cannot have it.
        ElementTree.SubElement(device, "driver", iommu="on")
    return device


def _whole_pf(pf: str) -> ElementTree.Element:
    device = ElementTree.Element("hostdev", mode="subsystem", type="pci", managed="no")
    domain, bus, rest = pf.split(":")
    slot, function = rest.split(".")
    source = ElementTree.SubElement(device, "source")
    ElementTree.SubElement(
        source, "address", domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}"
    )
    return device


def _ready(host: Host, wanted: NicWanted) -> str:
    """The kernel's interface of a PF that may be used and is up; "" of one that vfio-pci has, to be passed through."""
    pf, nics = wanted.pf, read_pfs(host)
    refuse_pf(host, nics, pf, 0, [])
    nic = nics[pf]
    if wanted.model == PASSTHROUGH:
        if nic["driver"] != "vfio-pci":
            raise Failure(
                "NFV-GUEST-041", f"{pf} cannot be passed through", f"its driver is {nic['driver']}, not vfio-pci",
                "nfvcap verify HOST --matrix --dpdk-pf PF gives it to vfio-pci and back",
            )  # fmt: skip
        return ""
    if not nic["name"] or not nic["admin_up"]:
        raise Failure(
            "NFV-GUEST-041",
            f"no virtual NIC can be put on {pf}",
            f"its interface {nic['name']} is down" if nic["name"] else f"its driver {nic['driver']} makes no interface",
            "set its interface up, or give the port back to its kernel driver",
        )
    return str(nic["name"])


def _running(hypervisor: Hypervisor, name: str) -> Guest:
    guests = {guest.name: guest for guest in hypervisor.guests()}
    guest = guests.get(name)
    if guest is None:
        raise Failure(
            "NFV-ATTACH-001", f"there is no guest {name}", f"libvirt knows {', '.join(sorted(guests)) or 'none'}",
            "`virsh list --all` on the host shows the guests",
        )  # fmt: skip
    if not guest.running or guest.paused:
        raise Failure(
            "NFV-ATTACH-002", f"guest {name} does not run", "it is paused" if guest.running else "it is off",
            f"nfvcap guest start {name}",
        )  # fmt: skip
    return guest
