# SPDX-License-Identifier: Apache-2.0
"""i40e as Intel ships it outside the kernel: one file per VF and direction takes the VF that gets the copy.

``/sys/class/net/PF/device/sriov/W/{ingress,egress}_mirror``, named from the watched VF's point of view. The driver
takes one rule per watched VF, whatever the direction, and forgets them when VFs are made anew or the PF is reset.
"""

from __future__ import annotations

import re

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_rule import BOTH, IN, OUT, VF, Backend, Offer, Place, Refusal, Request, Rule, between_vfs, kinds_of

NAME = "i40e"
POLL_S = 1.0
_FILES = {IN: "ingress_mirror", OUT: "egress_mirror"}


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    port = Port(host, request.pf) if request.pf else None
    if port is None or port.driver != "i40e":
        return Refusal(NAME, f"the PF's driver is {port.driver or 'none' if port else 'not involved'}, not i40e")
    elsewhere = between_vfs(NAME, request)
    if elsewhere:
        return elsewhere
    if kinds_of(request) != {VF}:
        return Refusal(NAME, "it copies from VFs; a rule for the whole port copies to the PF only", "name the VFs")
    if request.direction == BOTH:
        return Refusal(
            NAME, "the driver takes one rule per watched VF: the second direction is refused by it (EPERM)",
            "choose --direction in or out; or watch the VLAN by the driver's vlan_mirror, by hand",
        )  # fmt: skip
    direction = request.direction or IN
    for source in request.sources:
        refusal = _source_refusal(host, port.interface, source, direction)
        if refusal:
            return refusal
    watched = ", ".join(str(source) for source in request.sources)
    copies = f"every frame that is delivered to {watched}" if direction == IN else f"every frame that {watched} sends"
    return Offer(
        NAME, direction, copies=(copies,),
        leaves_out=(f"the other direction: {'what it sends' if direction == IN else 'what is delivered to it'}",
                    "frames that the card's filters drop before they reach the VF"),
        isolation="not known for this driver: nothing was found that says queue drop is on for VFs; "
                  "`nfvcap mirror isolation` with a stopped monitor shows it",
    )  # fmt: skip


def _source_refusal(host: Host, interface: str, source: Place, direction: str) -> Refusal | None:
    path = _path(interface, source.index, direction)
    if not host.exists(path):
        return Refusal(
            NAME,
            f"there is no {path}: this is the kernel's own driver, without mirror",
            "install Intel's i40e (signed, where Secure Boot is on), or a trusted promiscuous VF: --allow-promisc",
        )
    for way in (IN, OUT):
        targets = ", ".join(f"vf{index}" for index in _targets(host, interface, source.index, way))
        if targets:
            return Refusal(
                NAME,
                f"{source} is mirrored already: {way} to {targets}, and the driver takes one rule per watched VF",
                "remove that rule first",
            )
    return None


def add(host: Host, rule: Rule) -> None:
    """Write the rules.

    Raises:
        Failure: NFV-MIRROR-011 the driver refuses.
    """
    name = Port(host, rule.pf).interface
    for source in rule.sources:
        if rule.monitor.index not in _targets(host, name, source.index, rule.direction):
            _write(host, _path(name, source.index, rule.direction), f"add {rule.monitor.index}", "NFV-MIRROR-011")


def lacking(host: Host, rule: Rule) -> list[str]:
    """Sources whose file does not name the monitor."""
    name = Port(host, rule.pf).interface
    return [
        f"{_path(name, source.index, rule.direction)} does not name vf{rule.monitor.index}"
        for source in rule.sources
        if _targets(host, name, source.index, rule.direction) != [rule.monitor.index]
    ]


def remove(host: Host, rule: Rule) -> None:
    """Take the rules back; the driver wants to hear which VF it copies to now.

    Raises:
        Failure: NFV-MIRROR-009.
    """
    name = Port(host, rule.pf).interface
    for source in rule.sources:
        if rule.monitor.index in _targets(host, name, source.index, rule.direction):
            _write(host, _path(name, source.index, rule.direction), f"rem {rule.monitor.index}", "NFV-MIRROR-009")


def _path(interface: str, index: int, direction: str) -> str:
    return f"/sys/class/net/{interface}/device/sriov/{index}/{_FILES[direction]}"


def _targets(host: Host, interface: str, index: int, direction: str) -> list[int]:
    """VFs that get the copy; the file is empty without a rule."""
    return [int(word) for word in re.findall(r"\d+", host.value(_path(interface, index, direction)) or "")]


def _write(host: Host, path: str, text: str, code: str) -> None:
    try:
        host.write(path, text + "\n")
    except OSError as error:
        raise Failure(
            code, f"the driver refuses `echo {text} > {path}`", str(error.strerror or error),
            "`dmesg` on the host has the driver's own words",
        ) from error  # fmt: skip


BACKEND = Backend(NAME, POLL_S, probe, add, lacking, remove)
