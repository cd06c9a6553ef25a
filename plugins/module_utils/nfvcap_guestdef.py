# SPDX-License-Identifier: Apache-2.0
"""Definitions of guests: made, renewed and removed, and only those that nfvcap itself has made.

An entry `guest:NAME` of the ledger says that a guest is ours. It keeps the definition as it was given to libvirt, and a
digest of what libvirt made of it: the one tells whether something else is wanted now, the other whether somebody has
edited the guest since. Devices that were plugged in later (VFs) are nobody's business here and outlive a renewal.
"""

from __future__ import annotations

import hashlib
from typing import Any
from xml.etree import ElementTree

from .nfvcap_failure import Failure
from .nfvcap_guestdisk import ask_disk, make_disk
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_libvirt import SYSTEM, binding, connect, failed, find_domain
from .nfvcap_outcome import Outcome

KIND = "guest"
# Devices of the host that guests have been given.
_LENT = ("hostdev", "interface[@type='hostdev']")


def entry_id(name: str) -> str:
    """Id of a guest's entry in the ledger."""
    return f"guest:{name}"


def define(host: Host, connection: Any, wanted: dict[str, Any], outcome: Outcome, check: bool) -> None:
    """Make the guest what its definition says; a running one takes what differs at its next start.

    Args:
        wanted: ``name``, ``xml``, ``disk`` (None, or as :func:`make_disk` takes it).

    Raises:
        Failure: NFV-GUEST-020 the guest is not ours, NFV-GUEST-021 a file that it needs is missing, NFV-GUEST-004
            libvirt refuses; NFV-GUEST-024 what it made of the definition is not kept.
    """
    name, xml = wanted["name"], wanted["xml"]
    ledger, found = Ledger(host), find_domain(connection, name)
    entry = ledger.entry(entry_id(name))
    if found is not None:
        refuse_foreign(found, entry, _uuid(xml))
    _require_files(host, name, xml, wanted.get("disk"))
    before = None if found is None else inactive(found)
    same = (
        before is not None
        and entry is not None
        and entry.get("definition") == xml
        and _digest(before) == entry.get("made")
    )
    missing = ask_disk(host, wanted.get("disk"))
    for path in missing:
        outcome.add(f"file:{path}", None, "made")
    if not same:
        given = entry.get("definition") if entry and before and _digest(before) == entry.get("made") else before
        outcome.add(entry_id(name), given, xml)
    if check or (same and not missing):
        return
    outcome.begun = True
    ledger.record(entry_id(name), KIND, None, uuid=_uuid(xml), files=[])
    if wanted.get("disk"):
        ledger.note(entry_id(name), "files", [wanted["disk"]["path"], wanted["disk"]["seed_path"]])
        make_disk(host, name, wanted["disk"])
    if not same:
        _define(connection, name, _with_lent(xml, before))
        made = find_domain(connection, name)
        if made is None:
            raise Failure("NFV-GUEST-024", f"guest {name} was defined and is not there", "", "run again")
        ledger.note(entry_id(name), "definition", xml)
        ledger.note(entry_id(name), "made", _digest(inactive(made)))


def undefine(host: Host, connection: Any, name: str, outcome: Outcome, check: bool) -> None:
    """Remove a guest that is ours with its disk; a running one is ended as if its power failed.

    Raises:
        Failure: NFV-GUEST-020 the guest is not ours, NFV-GUEST-022 it has devices of the host, NFV-GUEST-004.
    """
    ledger, found = Ledger(host), find_domain(connection, name)
    entry = ledger.entry(entry_id(name))
    if found is not None:
        refuse_foreign(found, entry, "")
        _refuse_lent(found)
    if found is None and entry is None:
        return
    outcome.add(entry_id(name), None if found is None else inactive(found), None)
    if check:
        return
    outcome.begun = True
    if found is not None:
        _remove(found)
    for path in (entry or {}).get("files", []):
        host.remove(path)
    ledger.remove(entry_id(name))


def restore_guest(host: Host, name: str, entry: dict[str, Any], uri: str = SYSTEM) -> None:
    """The way back of an entry of the ledger: the guest did not exist, so it goes.

    Raises:
        Failure: NFV-GUEST-022, NFV-GUEST-004.
    """
    connection = connect(uri)
    try:
        found = find_domain(connection, name)
        # A guest of that name and another UUID came after ours had been removed by hand.
        if found is not None and found.UUIDString() == entry["uuid"]:
            _refuse_lent(found)
            _remove(found)
    finally:
        connection.close()
    for path in entry.get("files", []):
        host.remove(path)


def refuse_foreign(domain: Any, entry: dict[str, Any] | None, uuid: str) -> None:
    """A guest is ours when the ledger has it, or when it has the UUID that follows from host and name in the plan."""
    ours = domain.UUIDString() in ((entry or {}).get("uuid"), uuid)
    if not ours:
        raise Failure(
            "NFV-GUEST-020",
            f"guest {domain.name()} is not one that nfvcap has made",
            "it is used as it is (start, stop, attach-vf), but never redefined or removed",
            "give the guest in the inventory another name, or remove this one by hand: virsh undefine " + domain.name(),
        )


def inactive(domain: Any) -> str:
    """The persistent definition, as libvirt has it."""
    text: str = domain.XMLDesc(binding().VIR_DOMAIN_XML_INACTIVE)
    return text


def _define(connection: Any, name: str, xml: str) -> None:
    libvirt = binding()
    try:
        connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    except libvirt.libvirtError as error:
        raise failed(f"libvirt does not take the definition of guest {name}", error) from error


def _remove(domain: Any) -> None:
    libvirt = binding()
    name = domain.name()
    leftovers = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    try:
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(leftovers)
    except libvirt.libvirtError as error:
        raise failed(f"guest {name} could not be removed", error) from error


def _refuse_lent(domain: Any) -> None:
    """A VF would be left with the guest's attributes: whoever gave it takes it back first."""
    trees = [ElementTree.fromstring(inactive(domain))]
    if domain.isActive():
        trees.append(ElementTree.fromstring(domain.XMLDesc(0)))
    if any(tree.find(f"devices/{kind}") is not None for tree in trees for kind in _LENT):
        raise Failure(
            "NFV-GUEST-022",
            f"guest {domain.name()} still has devices of the host",
            "removing it would leave them as the guest had them",
            f"nfvcap detach-vf {domain.name()}",
        )


def _require_files(host: Host, name: str, xml: str, disk: dict[str, Any] | None) -> None:
    tree = ElementTree.fromstring(xml)
    paths = [tree.findtext("os/kernel"), tree.findtext("os/initrd"), (disk or {}).get("base")]
    missing = [path for path in paths if path and not host.exists(path)]
    if missing:
        raise Failure(
            "NFV-GUEST-021",
            f"guest {name} boots from {', '.join(missing)}, which is not on this host",
            "the inventory names the files of its image; nfvcap does not download any",
            f"put {'it' if len(missing) == 1 else 'them'} there, or correct guests.{name}.image",
        )


def _uuid(xml: str) -> str:
    return ElementTree.fromstring(xml).findtext("uuid", "")


def _with_lent(xml: str, before: str | None) -> str:
    """The new definition with the host's devices that the old one has."""
    if before is None:
        return xml
    new, old = ElementTree.fromstring(xml), ElementTree.fromstring(before)
    devices = new.find("devices")
    lent = [device for kind in _LENT for device in old.findall(f"devices/{kind}")]
    if devices is None or not lent:
        return xml
    devices.extend(lent)
    return ElementTree.tostring(new, encoding="unicode")


def _digest(definition: str) -> str:
    """Digest of a definition without the devices that come and go."""
    tree = ElementTree.fromstring(definition)
    devices = tree.find("devices")
    if devices is not None:
        for kind in _LENT:
            for device in devices.findall(kind):
                devices.remove(device)
    text = ElementTree.canonicalize(ElementTree.tostring(tree, encoding="unicode"), strip_text=True)
    return hashlib.sha256(text.encode()).hexdigest()
