# SPDX-License-Identifier: Apache-2.0
"""Which NICs carry the ssh connection and the default routes: these must never be touched."""

from __future__ import annotations

from .nfvcap_links import Links, pack_ip
from .nfvcap_machine import Machine
from .nfvcap_ssh import ssh_connection

SSH, DEFAULT_ROUTE = "ssh", "default-route"


class Carriers:
    """What each PCI device carries, and through which interfaces (from the device up to the address)."""

    def __init__(self) -> None:
        self.roles: dict[str, set[str]] = {}
        self.via: dict[str, list[str]] = {}

    def add(self, address: str, role: str, via: list[str]) -> None:
        self.roles.setdefault(address, set()).add(role)
        known = self.via.setdefault(address, [])
        known += [name for name in via if name not in known]


def read_carriers(machine: Machine, links: Links, pci_nics: set[str]) -> Carriers:
    """Follow ssh and all default routes down to NICs among `pci_nics`; when a VF carries something, so does its PF."""
    carriers = Carriers()
    for role, names in ((SSH, _ssh_interfaces(machine, links)), (DEFAULT_ROUTE, _default_interfaces(machine))):
        for name in names:
            found = _physical(links, name, [], set())
            known = [(address, via) for address, via in found if address in pci_nics]
            if not known:
                kind = links.kind(name) or "plain"
                machine.problem(f"{role} goes through {name} ({kind}), below which there is no PCI NIC")
            for address, via in known:
                carriers.add(address, role, via)
                pf = machine.link_name(f"/sys/bus/pci/devices/{address}/physfn")
                if pf:
                    carriers.add(pf, role, [links.of_device(address) or address, *via])
    return carriers


def _physical(links: Links, name: str, above: list[str], seen: set[str]) -> list[tuple[str, list[str]]]:
    """PCI devices below an interface, each with the interfaces above it, lowest first."""
    if name in seen:
        return []
    seen.add(name)
    address = links.pci_address(name)
    found = [(address, above)] if address else []
    for lower in links.lower(name):
        found += _physical(links, lower, [name, *above], seen)
    return found


def _ssh_interfaces(machine: Machine, links: Links) -> list[str]:
    """Where the connection comes in, and where the answers go out: with policy routing these can differ."""
    connection = ssh_connection(machine)
    if connection is None:
        machine.problem("no ssh connection leads to this process: the NIC that ssh uses is not known")
        return []
    client, local = connection
    zone = local.partition("%")[2]
    if zone:  # link-local IPv6 names its interface
        return [zone]
    packed = pack_ip(local)
    if packed is None or packed == pack_ip(client):
        machine.problem("the ssh connection comes from this machine itself: no NIC carries it")
        return []
    incoming = links.with_ip_address(packed)
    routes = machine.json(["ip", "-j", "route", "get", _plain(client), "from", _plain(local)], list)
    outgoing = {route["dev"] for route in routes if "dev" in route} - {incoming}
    # An address on lo (routed fabrics) names no NIC; the way back to the client does.
    on_loopback = "LOOPBACK" in links.by_name.get(incoming or "", {}).get("flags", [])
    names = [incoming] if incoming and not (on_loopback and outgoing) else []
    names += sorted(outgoing)
    if not names:
        machine.problem("no interface has the address at which ssh came in")
    return names


def _plain(address: str) -> str:
    """`::ffff:192.0.2.1` as `192.0.2.1`."""
    return address.rpartition(":")[2] if address.lower().startswith("::ffff:") and "." in address else address


def _default_interfaces(machine: Machine) -> list[str]:
    """Interfaces of the default routes of all families and tables."""
    names: list[str] = []
    for route in machine.json(["ip", "-j", "route", "show", "table", "all", "default"], list):
        hops = [route, *route.get("nexthops", [])]
        names += [hop["dev"] for hop in hops if "dev" in hop and route.get("type", "unicast") == "unicast"]
    return sorted(set(names))
