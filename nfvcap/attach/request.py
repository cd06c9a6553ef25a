# SPDX-License-Identifier: Apache-2.0
"""What was asked for, and how a VF is named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Nic, Vf

_ADDRESS = re.compile(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.I)
_INDEX = re.compile(r"(?:(.+):)?(?:vf)?(\d+)", re.I)
_EXAMPLES = "such as ens1f0:vf3, 0000:81:00.0:vf3, 0000:81:10.3, or 3 together with --pf"


class Where(StrEnum):
    """Into the running guest, into its definition, or both; AUTO: wherever it can be."""

    AUTO = "auto"
    LIVE = "live"
    CONFIG = "config"
    BOTH = "both"


@dataclass(frozen=True)
class Request:
    """A wish; "" and None leave the choice open."""

    guest: str
    pf: str = ""
    vf: str = ""
    mac: str = ""
    vlan: int | None = None
    trust: bool | None = None
    spoofchk: bool | None = None
    where: Where = Where.AUTO
    timeout_s: float = 60.0
    by: str = ""


def port(name: str, facts: Facts) -> Nic:
    """The port with this PCI address (domain 0000 may be left out) or interface name (also an alternative one).

    Raises:
        UsageError: NFV-ATTACH-003.
    """
    wanted = full_address(name)
    for nic in facts.nics:
        if wanted in nic.names and nic.sriov is not None:
            return nic
    able = ", ".join(f"{nic.address} ({nic.name or 'no interface'})" for nic in facts.nics if nic.sriov) or "none"
    raise UsageError(
        "NFV-ATTACH-003", f"there is no port {name} with VFs", f"ports with VFs: {able}", "name one of them"
    )


def named_vf(words: str, pf: str, facts: Facts) -> tuple[Nic, Vf]:
    """The VF that is meant by ``ens1f0:vf3``, ``0000:81:00.0:3``, a PCI address, or a number on the port ``pf``.

    Raises:
        UsageError: NFV-ATTACH-003 no such VF, or words that name none.
    """
    if _ADDRESS.fullmatch(words):
        for nic, vf in all_vfs(facts):
            if vf.address == full_address(words):
                return _on(pf, nic, vf, facts)
        raise UsageError(
            "NFV-ATTACH-003",
            f"there is no VF at {words}",
            _have(facts),
            f"name a VF {_EXAMPLES}; nfvcap status shows them",
        )
    found = _INDEX.fullmatch(words)
    if found is None or not (found[1] or pf):
        raise UsageError("NFV-ATTACH-003", f"{words!r} names no VF", "", f"write a VF {_EXAMPLES}")
    nic = port(found[1] or pf, facts)
    for vf in nic.sriov.vfs if nic.sriov else ():
        if vf.index == int(found[2]):
            return _on(pf, nic, vf, facts)
    raise UsageError(
        "NFV-ATTACH-003",
        f"{nic.address} ({nic.name or 'no interface'}) has no VF {found[2]}",
        f"it has {nic.sriov.num_vfs if nic.sriov else 0} VFs, counted from 0",
        "name another, or raise `vfs` of the port in the inventory and provision",
    )


def all_vfs(facts: Facts) -> list[tuple[Nic, Vf]]:
    """Every VF with its port."""
    return [(nic, vf) for nic in facts.nics if nic.sriov for vf in nic.sriov.vfs]


def full_address(words: str) -> str:
    """A PCI address with domain in lower case; other words as they are."""
    found = _ADDRESS.fullmatch(words)
    return f"{found[1] or '0000'}:{found[2]}".lower() if found else words


def _on(pf: str, nic: Nic, vf: Vf, facts: Facts) -> tuple[Nic, Vf]:
    if pf and port(pf, facts).address != nic.address:
        raise UsageError(
            "NFV-ATTACH-003", f"{vf.address} is no VF of {pf}", f"it is VF {vf.index} of {nic.address}",
            "leave --pf out, or name another VF",
        )  # fmt: skip
    return nic, vf


def _have(facts: Facts) -> str:
    counts = [
        f"{nic.address} ({nic.name or 'no interface'}) has {nic.sriov.num_vfs}" for nic in facts.nics if nic.sriov
    ]
    return f"VFs: {', '.join(counts) or 'none'}"
