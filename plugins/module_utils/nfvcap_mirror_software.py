# SPDX-License-Identifier: Apache-2.0
"""Guests on VirtIO: filters with the action mirred from the guest's tap or macvtap device to another interface.

The kernel copies, so it costs the host CPU time; in return both directions work on every machine. A tap has another
name at each start of its guest, so it is looked up by guest and address whenever the rule is set or checked.
"""

from __future__ import annotations

from xml.etree import ElementTree

from .nfvcap_host import Host
from .nfvcap_links import Links
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_rule import BOTH, GUEST_NIC, IN, INTERFACE, OUT, VF, Offer, Place, Refusal, Request, Rule, kinds_of
from .nfvcap_mirror_tc import Switch
from .nfvcap_tcfilter import Filter, by_filters, free_prefs, hooks_to_make

NAME = "software"
_NET = "/sys/class/net"


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    if kinds_of(request) - {INTERFACE, GUEST_NIC}:
        return Refusal(NAME, "it copies from tap, macvtap and other interfaces of the host, not from VFs")
    links = Links(host)
    target = device_of(host, request.monitor, request.pf)
    if not target or target not in links.by_name:
        return Refusal(
            NAME, f"{request.monitor} has no interface on the host that frames could be sent to",
            "a monitor with a tap device, or a VF with a representor (switchdev)",
        )  # fmt: skip
    devices = [device_of(host, source, request.pf) for source in request.sources]
    for number, device in enumerate(devices):
        refusal = _source_refusal(host, links, request.sources[number], device)
        if refusal:
            return refusal
    if target in devices:
        return Refusal(NAME, f"{target} would get copies of its own frames")
    return _offer(host, request, others, devices)


def _source_refusal(host: Host, links: Links, source: Place, device: str) -> Refusal | None:
    if not device or device not in links.by_name:
        return Refusal(NAME, f"{source} has no interface on the host now", "start the guest, or name the interface")
    if links.kind(device) in ("bridge", "openvswitch"):
        ports = ", ".join(host.listdir(f"{_NET}/{device}/brif")) or f"`ovs-vsctl list-ports {device}`"
        why = f"{device} is a bridge, whose own interface sees only frames of the host itself"
        return Refusal(NAME, why, f"name its ports: {ports}")
    return None


def _offer(host: Host, request: Request, others: list[Rule], devices: list[str]) -> Offer | Refusal:
    direction = request.direction or BOTH
    ways = [way for way in (IN, OUT) if direction in (way, BOTH)]
    taken = {int(part["pref"]) for rule in others for part in rule.detail.get("filters", [])}
    prefs = free_prefs(host, devices, len(ways), taken)
    if len(prefs) < len(ways):
        return Refusal(NAME, "the range of preferences is used up")
    watched = ", ".join(str(source) for source in request.sources)
    copies = [f"every frame that is delivered to {watched}"] if direction != OUT else []
    copies += [f"every frame that {watched} sends"] if direction != IN else []
    return Offer(
        NAME, direction, copies=tuple(copies),
        leaves_out=("what the kernel drops before the filter: see `tc -s filter show`",
                    "the cutting of large segments: a guest that offloads it is seen with frames of up to 64 KiB"),
        effects=("each copy costs CPU time of the host, in the context of whoever sends the frame",),
        isolation="a full queue of the monitor loses copies and nothing else",
        detail={
            "filters": [{"way": way, "pref": prefs[number]} for number, way in enumerate(ways)],
            "devices": devices,
            "clsact": hooks_to_make(host, devices, [rule.detail for rule in others]),
        },
    )  # fmt: skip


def device_of(host: Host, place: Place, pf: str = "") -> str:
    """Interface on the host that leads to a place at this moment; "" for none."""
    if place.kind == GUEST_NIC:
        return tap_of(host, place.guest, place.mac)
    if place.kind == VF:
        return Switch(Port(host, pf)).representors.get(place.index, "") if pf else ""
    return place.interface


def tap_of(host: Host, guest: str, mac: str) -> str:
    """The device behind a running guest's interface, as libvirt keeps it; without an address that of its only one."""
    text = host.read_bytes(f"/run/libvirt/qemu/{guest}.xml")
    try:
        tree = ElementTree.fromstring(text) if text else None
    except ElementTree.ParseError:
        tree = None
    found = {}
    for one in tree.iterfind("domain/devices/interface") if tree is not None else ():
        address, target = one.find("mac"), one.find("target")
        if address is not None and target is not None:
            found[address.get("address", "").lower()] = target.get("dev", "")
    if not mac and len(found) == 1:
        return next(iter(found.values()))
    return found.get(mac.lower(), "")


def _filters(host: Host, rule: Rule) -> list[Filter]:
    target = device_of(host, rule.monitor, rule.pf)
    found = []
    for source in rule.sources:
        device = device_of(host, source, rule.pf)
        if not device or not target or not host.exists(f"{_NET}/{device}"):
            continue
        for part in rule.detail["filters"]:
            found.append(Filter(device, hook_of(host, device, part["way"]), int(part["pref"]), target))
    return found


def hook_of(host: Host, device: str, way: str) -> str:
    """Where frames of a direction pass: what a guest sends comes in at its tap, but goes out at its macvtap."""
    is_macvtap = host.exists(f"{_NET}/{device}/macvtap") or Links(host).kind(device) in ("macvtap", "macvlan")
    return "ingress" if (way == OUT) != is_macvtap else "egress"


def _complete(rule: Rule) -> int:
    return len(rule.sources) * len(rule.detail["filters"])


BACKEND = by_filters(
    NAME, probe, _filters, _complete, missing="a watched interface, or the monitor's, does not exist now"
)
