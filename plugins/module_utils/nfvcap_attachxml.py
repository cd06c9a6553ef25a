# SPDX-License-Identifier: Apache-2.0
"""The XML of one VF in a guest's definition, and what a definition says about it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from .nfvcap_failure import Failure

# Controllers that each take one device while the guest runs.
_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")


def device_xml(entry: dict[str, Any], guest_address: dict[str, str] | None = None) -> str:
    """``<interface type='hostdev'>`` for an attachment.

    Args:
        guest_address: where the device shall be in the guest; None lets libvirt choose.
    """
    device = ElementTree.Element("interface", type="hostdev", managed="yes")
    ElementTree.SubElement(device, "mac", address=entry["mac"])
    domain, bus, rest = entry["address"].split(":")
    slot, function = rest.split(".")
    source = ElementTree.SubElement(device, "source")
    ElementTree.SubElement(
        source, "address", type="pci", domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}"
    )
    if entry["wanted"].get("vlan"):
        # libvirt sets the VLAN at each start of the guest; without this it would take it away.
        vlan = ElementTree.SubElement(device, "vlan")
        ElementTree.SubElement(vlan, "tag", id=str(entry["wanted"]["vlan"]))
    ElementTree.SubElement(device, "alias", name=entry["alias"])
    if guest_address:
        ElementTree.SubElement(device, "address", guest_address)
    return ElementTree.tostring(device, encoding="unicode")


def find(domain_xml: str, alias: str) -> ElementTree.Element | None:
    """The device with this alias in a definition."""
    for device in ElementTree.fromstring(domain_xml).findall("devices/*"):
        name = device.find("alias")
        if name is not None and name.get("name") == alias:
            return device
    return None


def guest_address(device: ElementTree.Element) -> dict[str, str] | None:
    """Where libvirt has put a device in the guest."""
    address = device.find("address")
    return dict(address.attrib) if address is not None else None


def address_words(address: dict[str, str] | None) -> str | None:
    """``0000:03:00.0`` as libvirt numbers the guest's buses."""
    if not address or address.get("type") != "pci":
        return None
    parts = [int(address.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)


def macs(domain_xml: str) -> dict[str, str]:
    """MAC address → alias ("" without one) of each interface in a definition."""
    found = {}
    for device in ElementTree.fromstring(domain_xml).findall("devices/interface"):
        mac, alias = device.find("mac"), device.find("alias")
        if mac is not None:
            found[str(mac.get("address", "")).lower()] = alias.get("name", "") if alias is not None else ""
    return found


def free_ports(domain_xml: str) -> list[int] | None:
    """Numbers of the guest's PCI Express ports that take a device while it runs; None: it has plain PCI slots."""
    tree = ElementTree.fromstring(domain_xml)
    controllers = tree.findall("devices/controller[@type='pci']")
    if not any(controller.get("model") == "pcie-root" for controller in controllers):
        return None
    used = {
        int(address.get("bus", "0"), 0)
        for device in tree.findall("devices/*")
        for address in device.findall("address[@type='pci']")
    }
    ports = [int(controller.get("index", "0")) for controller in controllers if controller.get("model") in _PORTS]
    return sorted(port for port in ports if port not in used)


def usable_address(live_xml: str, address: dict[str, str] | None) -> dict[str, str] | None:
    """The address that the definition gives the device, if the running guest has it free as well.

    So the device is found at the same place after the guest's next start.
    """
    if not address or address.get("type") != "pci":
        return None
    ports = free_ports(live_xml)
    return address if ports is not None and int(address.get("bus", "0"), 0) in ports else None


def refuse_without_port(live_xml: str, guest: str) -> None:
    """A running guest takes a device only into a port that is there and empty.

    Raises:
        Failure: NFV-ATTACH-012.
    """
    if free_ports(live_xml) == []:
        raise Failure(
            "NFV-ATTACH-012",
            f"guest {guest} has no free PCI Express port for a hot plug",
            "all its ports have a device, and ports cannot be added while it runs",
            "use --config and restart the guest (libvirt adds a port), or add "
            "<controller type='pci' model='pcie-root-port'/> to it beforehand",
        )
