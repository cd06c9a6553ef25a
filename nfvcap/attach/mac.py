# SPDX-License-Identifier: Apache-2.0
"""The MAC address that a guest sees: given, planned, kept, or made; never one that somebody else has."""

from __future__ import annotations

import hashlib
import re

from nfvcap.attach.request import all_vfs
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Nic, Vf

_FORM = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
NONE = "00:00:00:00:00:00"


def pick(asked: str, planned: str | None, facts: Facts, nic: Nic, vf: Vf) -> tuple[str, str]:
    """The address and why.

    Raises:
        UsageError: NFV-ATTACH-007.
    """
    taken = owners(facts, nic, vf)
    if asked:
        mac = checked(asked)
        if mac in taken:
            raise UsageError(
                "NFV-ATTACH-007", f"the MAC address {mac} is taken",
                f"{taken[mac]} has it; two ports with one address take frames from each other",
                "name another, or none to have one made",
            )  # fmt: skip
        return mac, "It was given."
    if planned and planned.lower() not in taken:
        return planned.lower(), "The inventory gives the VF this address."
    if vf.mac and vf.mac != NONE and vf.mac.lower() not in taken:
        return vf.mac.lower(), "The VF keeps its address."
    return made(facts.hostname, nic, vf, taken), "Made from host, port and VF, so that it is the same each time."


def checked(words: str) -> str:
    """A single port's address in lower case.

    Raises:
        UsageError: NFV-ATTACH-007 it is none.
    """
    mac = words.strip().lower().replace("-", ":")
    reason = ""
    if not _FORM.fullmatch(mac):
        reason = "six bytes such as 02:00:00:81:00:03"
    elif mac == NONE:
        reason = "this is the word for no address"
    elif int(mac[:2], 16) & 1:
        reason = "its first byte is odd: it is an address of groups, not of a port"
    if reason:
        raise UsageError("NFV-ATTACH-007", f"{words!r} is no MAC address for a VF", reason, "give another with --mac")
    return mac


def owners(facts: Facts, nic: Nic, vf: Vf) -> dict[str, str]:
    """Addresses of all other ports and VFs on the host, with whose they are."""
    # A VF's own interface has the address of its VF; the VFs are told apart by their ports.
    ports = {one.mac.lower(): f"the port {one.name or one.address}" for one in facts.nics if one.mac and not one.physfn}
    vfs = {
        other.mac.lower(): f"VF {other.index} of {pf.address}"
        for pf, other in all_vfs(facts)
        if other.mac and other.mac != NONE and (pf.address, other.index) != (nic.address, vf.index)
    }
    return {**ports, **vfs}


def made(hostname: str, nic: Nic, vf: Vf, taken: dict[str, str]) -> str:
    """A locally administered address, the same for the same host, port and VF unless somebody has it."""
    for salt in range(1000):
        seed = f"{hostname} {nic.address} {vf.index}" + (f" {salt}" if salt else "")
        raw = hashlib.sha256(seed.encode()).digest()[:5]
        mac = ":".join(["02", *(f"{byte:02x}" for byte in raw)])
        if mac not in taken:
            return mac
    raise AssertionError  # pragma: no cover - a thousand collisions of 40 bits
