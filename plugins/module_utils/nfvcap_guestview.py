# SPDX-License-Identifier: Apache-2.0
"""What guests are and see: state, devices of the host with their places, interfaces inside as the agent tells."""

from __future__ import annotations

import time
from typing import Any
from xml.etree import ElementTree

from .nfvcap_failure import Failure
from .nfvcap_guestagent import GuestAgent
from .nfvcap_guestdef import entry_id
from .nfvcap_gueststate import state_of
from .nfvcap_ledger import Ledger
from .nfvcap_libvirt import domain

_LENT = ("hostdev[@type='pci']", "interface[@type='hostdev']")


def view(connection: Any, ledger: Ledger, names: list[str], wait_s: float) -> list[dict[str, Any]]:
    """Guests by name.

    Args:
        names: only these; [] for all.
        wait_s: how long to wait for the agents of running guests, all together.

    Raises:
        Failure: NFV-GUEST-003 one of the names is no guest.
    """
    found = [domain(connection, name) for name in names] or connection.listAllDomains()
    deadline = time.monotonic() + wait_s
    return sorted((_view(each, ledger, deadline) for each in found), key=lambda guest: str(guest["name"]))


def _view(found: Any, ledger: Ledger, deadline: float) -> dict[str, Any]:
    name = found.name()
    entry = ledger.entry(entry_id(name))
    seen: dict[str, Any] = {
        "name": name,
        "uuid": found.UUIDString(),
        "state": state_of(found),
        "ours": entry is not None and entry.get("uuid") == found.UUIDString(),
        "vfs": lent(ElementTree.fromstring(found.XMLDesc(0))),
        "agent": None,
        "interfaces": [],
    }
    if seen["state"] in ("running", "blocked") and _has_channel(found):
        agent = GuestAgent(found)
        seen["agent"] = agent.wait(max(0.0, deadline - time.monotonic()))
        if seen["agent"]:
            try:
                seen["interfaces"] = agent.interfaces()
            except Failure:
                seen["agent"] = False
    _match(seen["vfs"], seen["interfaces"])
    return seen


def _has_channel(found: Any) -> bool:
    path = "devices/channel/target[@name='org.qemu.guest_agent.0']"
    return ElementTree.fromstring(found.XMLDesc(0)).find(path) is not None


def lent(tree: ElementTree.Element) -> list[dict[str, Any]]:
    """Devices of the host that a guest has: ``address`` on the host, ``slot`` (bus of the guest's place), ``mac``."""
    devices = [device for kind in _LENT for device in tree.findall(f"devices/{kind}")]
    seen = []
    for device in devices:
        source, place, mac = device.find("source/address"), device.find("address"), device.find("mac")
        if source is None:
            continue
        seen.append(
            {
                "address": _pci(source),
                # The controller of number N is the root port of bus N in a guest that nfvcap has made.
                "guest_address": _pci(place) if place is not None else None,
                "mac": mac.get("address") if mac is not None else None,
                "interface": None,
                "packets": None,
            }
        )
    return seen


def _match(vfs: list[dict[str, Any]], interfaces: list[dict[str, Any]]) -> None:
    """Which interface is which VF: by MAC address, and what the guest says about the place counts."""
    for vf in vfs:
        for interface in interfaces:
            at_place = vf["guest_address"] is not None and interface["pci"] == vf["guest_address"]
            if at_place or (vf["mac"] and str(interface["mac"]).lower() == vf["mac"].lower()):
                vf["interface"], vf["packets"] = interface["name"], interface.get("packets")
                vf["guest_address"] = interface["pci"] or vf["guest_address"]
                break


def _pci(address: ElementTree.Element) -> str:
    parts = [int(address.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)
