# SPDX-License-Identifier: Apache-2.0
"""igb (82576, I350): the monitor VF gets the watched VF's administrative address, and the card delivers to both.

The PF driver writes the address into a receive-address entry of the monitor's own at once and again whenever that VF
resets, so neither guest is restarted and no register is touched by us.
"""

from __future__ import annotations

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_port import NO_ADDRESS, Port
from .nfvcap_mirror_rule import IN, VF, Backend, Offer, Refusal, Request, Rule, between_vfs, kinds_of
from .nfvcap_vfattr import VfWanted, set_attributes

NAME = "igbmac"
# The address is asked of the PF driver by a program.
POLL_S = 5.0
ISOLATION = "igb switches queue drop on for every VF (QDE): a monitor that stops loses its own copies only"


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    port = Port(host, request.pf) if request.pf else None
    if port is None or port.driver != "igb":
        return Refusal(NAME, f"the PF's driver is {port.driver or 'none' if port else 'not involved'}, not igb")
    elsewhere = between_vfs(NAME, request)
    if elsewhere:
        return elsewhere
    if kinds_of(request) != {VF} or len(request.sources) != 1:
        return Refusal(
            NAME, "a VF has one administrative address, so it can take that of one other VF only",
            "allow registers: then receive addresses can select several VFs",
        )  # fmt: skip
    if request.direction not in ("", IN):
        return Refusal(
            NAME, "only what is delivered to an address can be doubled, not what a VF sends", "--direction in"
        )
    if any(rule.backend == NAME and rule.pf == request.pf and rule.monitor.index == request.monitor.index
           for rule in others):  # fmt: skip
        return Refusal(
            NAME, f"{request.monitor} has the address of another VF already", "one monitor VF per watched VF"
        )
    return _offer(port, request)


def _offer(port: Port, request: Request) -> Offer | Refusal:
    (source,), monitor = request.sources, request.monitor
    vfs = port.vf_attributes()
    watched, own = vfs.get(source.index, {}), vfs.get(monitor.index, {})
    mac = str(watched.get("mac") or NO_ADDRESS).lower()
    if mac == NO_ADDRESS:
        return Refusal(
            NAME, f"{source} has no administrative address: its guest chose one that the host does not know",
            f"give vf {source.index} a mac in the inventory",
        )  # fmt: skip
    vlan = own.get("vlan") if request.monitor_vlan is None else request.monitor_vlan
    if (watched.get("vlan") or 0) != (vlan or 0):
        return Refusal(
            NAME, f"{source} is in VLAN {watched.get('vlan') or 0}, {monitor} in VLAN {vlan or 0}, and the "
            "card filters by both", f"put {monitor} into the same VLAN",
        )  # fmt: skip
    return Offer(
        NAME, IN,
        copies=(f"frames to {mac} ({source}), from the wire and from other VFs of this PF",
                "broadcasts, which every VF gets anyway"),
        leaves_out=(f"frames that {source} sends", "multicasts that only the watched guest has subscribed to",
                    "frames of VLANs that the monitor's own driver has not registered"),
        effects=(f"frames to the monitor's former address {own.get('mac') or 'none'} are no longer delivered to it",
                 "while the rule stands its guest's driver may report a duplicate IPv6 address"),
        isolation=ISOLATION,
        detail={"mac": mac, "original": str(own.get("mac") or NO_ADDRESS).lower()},
    )  # fmt: skip


def add(host: Host, rule: Rule) -> None:
    """Give the monitor the watched address.

    Raises:
        Failure: NFV-MIRROR-004 there is no such VF now; NFV-VF-001, -002.
    """
    if rule.monitor.index not in Port(host, rule.pf).vf_indices():
        what, fix = f"{rule.monitor} does not exist", "`nfvcap status` shows the VFs"
        raise Failure("NFV-MIRROR-004", what, f"{rule.pf} has no such VF now", fix)
    # Also when it is reported as set: a PF that was reset has forgotten the entry, though not the address.
    _set(host, rule, str(rule.detail["mac"]))


def lacking(host: Host, rule: Rule) -> list[str]:
    """What is not as the rule says."""
    port = Port(host, rule.pf)
    if rule.monitor.index not in port.vf_indices():
        return [f"{rule.monitor} does not exist"]
    vfs = port.vf_attributes()
    have = str(vfs.get(rule.monitor.index, {}).get("mac") or "").lower()
    watched = str(vfs.get(rule.sources[0].index, {}).get("mac") or "").lower()
    found = [] if have == rule.detail["mac"] else [f"{rule.monitor} has the address {have or 'none'}"]
    if watched != rule.detail["mac"]:
        found.append(f"{rule.sources[0]} has another address by now: {watched or 'none'}")
    return found


def remove(host: Host, rule: Rule) -> None:
    """Give the monitor its former address back, unless somebody has given it another one since.

    Raises:
        Failure: NFV-MIRROR-009 it does not take it.
    """
    port = Port(host, rule.pf)
    if rule.monitor.index not in port.vf_indices() or port.vf_mac(rule.monitor.index) != rule.detail["mac"]:
        return
    original = str(rule.detail["original"])
    _set(host, rule, original)
    have = port.vf_mac(rule.monitor.index) or NO_ADDRESS
    if have != original:
        raise Failure(
            "NFV-MIRROR-009", f"{rule.monitor} did not get its former address back", f"it has {have}, not {original}",
            f"set it by hand: ip link set {port.interface} vf {rule.monitor.index} mac {original}",
        )  # fmt: skip


def _set(host: Host, rule: Rule, mac: str) -> None:
    set_attributes(host, rule.pf, VfWanted(rule.monitor.index, mac=mac), {"mac": None})


BACKEND = Backend(NAME, POLL_S, probe, add, lacking, remove, sees_resets=False)
