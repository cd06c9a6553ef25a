# SPDX-License-Identifier: Apache-2.0
"""Devices in the hands of running libvirt guests, from the state files that libvirt keeps of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET


def lent_devices(state: str) -> dict[str, str]:
    """PCI addresses that a guest holds → the guest's name; from one ``/run/libvirt/qemu/GUEST.xml``."""
    try:
        root = ET.fromstring(state)
    except ET.ParseError:
        return {}
    domain = root if root.tag == "domain" else root.find("domain")
    if domain is None:
        return {}
    name = domain.findtext("name", "")
    devices = [*domain.iterfind("devices/hostdev"), *domain.iterfind("devices/interface[@type='hostdev']")]
    found = {}
    for device in devices:
        address = device.find("source/address")
        if address is not None and address.get("bus"):
            parts = [int(address.get(key, "0"), 16) for key in ("domain", "bus", "slot", "function")]
            found["{:04x}:{:02x}:{:02x}.{:x}".format(*parts)] = name
    return found
