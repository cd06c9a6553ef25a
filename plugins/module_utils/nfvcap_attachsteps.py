# SPDX-License-Identifier: Apache-2.0
"""The steps of an attachment: the VF's attributes, the guest's definition, the running guest, and its own word."""

from __future__ import annotations

import hashlib

from .nfvcap_attachment import words
from .nfvcap_attachxml import address_words, device_xml, find, guest_address, usable_address
from .nfvcap_failure import Failure
from .nfvcap_guestsight import devices, look
from .nfvcap_hypervisor import Guest
from .nfvcap_ledger import DIRECTORY
from .nfvcap_transaction import Work, register
from .nfvcap_vfback import restore_vf
from .nfvcap_vfdress import dress


class VfStep:
    """Administrative attributes on the PF; undoing restores them, and the driver that libvirt may have left."""

    name = "vf"
    changes = True

    def do(self, work: Work) -> None:
        dress(work.host, work.entry)

    def undo(self, work: Work) -> None:
        work.notes += restore_vf(work.host, work.entry)


class ConfigStep:
    """The guest's persistent definition.

    libvirt may add a PCI controller for the device. So the whole former definition is kept, and comes back as long as
    nobody has changed the definition since; otherwise only the device is taken out.
    """

    name = "config"
    changes = True

    def do(self, work: Work) -> None:
        guest = _present(work)
        before = guest.config_xml(secrets=True)
        _put_aside(work, before)
        guest.attach(device_xml(work.entry), live=False)
        if find(guest.config_xml(), work.entry["alias"]) is None:
            raise Failure(
                "NFV-ATTACH-010",
                f"guest {guest.name}: the VF is not in its definition",
                "libvirt reported success, and the definition read back lacks the device",
                "`journalctl -u libvirtd` on the host says more",
            )
        work.note("config_digest", _digest(guest.config_xml(secrets=True)))

    def undo(self, work: Work) -> None:
        guest = work.hypervisor.guest(work.entry["guest"]["uuid"])
        if guest is not None and guest.persistent:
            self._take_out(work, guest)
        work.host.remove(_kept_path(work))

    def _take_out(self, work: Work, guest: Guest) -> None:
        now, before = guest.config_xml(secrets=True), work.host.read(_kept_path(work))
        device = find(now, work.entry["alias"])
        untouched = "config_digest" not in work.entry or _digest(now) == work.entry["config_digest"]
        if before is not None and now != before and untouched:
            guest.define(before)
        elif device is not None:
            guest.detach_config(device_xml(work.entry, guest_address(device)))
            work.notes.append(
                f"the definition of {guest.name} was changed by somebody else meanwhile: only the VF was taken out"
            )
        if find(guest.config_xml(), work.entry["alias"]) is not None:
            raise Failure(
                "NFV-ATTACH-015",
                f"the definition of {guest.name} still has {words(work.entry)}",
                "libvirt reported success, and the definition read back has the device",
                "take it out with `virsh edit`, then run again",
            )


class LiveStep:
    """The running guest, by hot plug."""

    name = "live"
    changes = True

    def do(self, work: Work) -> None:
        guest, entry = _present(work), work.entry
        planned = find(guest.config_xml(), entry["alias"]) if entry["config"] else None
        address = usable_address(guest.live_xml(), guest_address(planned)) if planned is not None else None
        work.devices_before = devices(guest)
        guest.attach(device_xml(entry, address), live=True)
        if not has_live(guest, entry["alias"]):
            raise Failure(
                "NFV-ATTACH-010",
                f"guest {guest.name}: the running guest does not have the VF",
                "libvirt reported success, and the guest read back lacks the device",
                "`journalctl -u libvirtd` on the host says more",
            )
        # libvirt sets MAC address and VLAN itself, and with it the VLAN's priority back to 0.
        dress(work.host, entry)

    def undo(self, work: Work) -> None:
        guest, alias = work.hypervisor.guest(work.entry["guest"]["uuid"]), work.entry["alias"]
        if guest is None or not has_live(guest, alias):
            return
        if work.force:
            guest.power_off()
            work.notes.append(f"guest {guest.name} was powered off, as --force says")
            return
        answer = guest.detach_live(alias, lambda: has_live(guest, alias), work.timeout_s)
        if answer == "removed":
            return
        reason = {
            "refused": "the guest refused to release the device",
            "silent": f"the guest did not answer within {work.timeout_s:g} s: is it still booting, paused, or hung?",
        }[answer]
        raise Failure(
            "NFV-ATTACH-014",
            f"guest {guest.name} does not release VF {work.entry['index']} of {work.entry['pf']}",
            reason,
            "stop programs that use the port in the guest, give it more time with --timeout, or use --force, which"
            " powers the guest off like a pulled plug (what it has not written to disk is lost)",
        )


class SightStep:
    """Wait until the guest itself shows the device."""

    name = "sight"
    changes = False

    def do(self, work: Work) -> None:
        guest = _present(work)
        device = find(guest.live_xml(), work.entry["alias"])
        work.found["guest_bus_address"] = address_words(guest_address(device)) if device is not None else None
        work.found["sight"] = None
        sight = look(work.host, guest, work.entry["mac"], work.devices_before, work.timeout_s)
        if sight is None:
            work.notes.append(
                f"nobody in {guest.name} could be asked whether it sees the device (no QEMU guest agent answers in it);"
                " libvirt says that the hot plug succeeded"
            )
            return
        work.found["sight"] = sight

    def undo(self, work: Work) -> None:
        pass


for _step in (VfStep(), ConfigStep(), LiveStep(), SightStep()):
    register(_step)


def has_live(guest: Guest, alias: str) -> bool:
    """Whether the running guest has the device now; a guest that is off has nothing."""
    return guest.running and find(guest.live_xml(), alias) is not None


def _present(work: Work) -> Guest:
    wanted = work.entry["guest"]
    guest = work.hypervisor.guest(wanted["uuid"])
    if guest is None:
        raise Failure(
            "NFV-ATTACH-001", f"there is no guest {wanted['name']}", f"libvirt knows no guest {wanted['uuid']}",
            "`virsh list --all` on the host shows the guests",
        )  # fmt: skip
    return guest


def _kept_path(work: Work) -> str:
    return f"{DIRECTORY}/{work.entry['alias']}.xml"


def _put_aside(work: Work, xml: str) -> None:
    try:
        work.host.replace(_kept_path(work), xml.encode(), 0o600)
    except OSError as error:
        raise Failure(
            "NFV-LEDGER-004",
            f"the definition of {work.entry['guest']['name']} cannot be kept, so it was not changed",
            str(error),
            f"make room and allow writing below {DIRECTORY}",
        ) from error


def _digest(xml: str) -> str:
    return hashlib.sha256(xml.encode()).hexdigest()
