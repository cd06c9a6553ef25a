# SPDX-License-Identifier: Apache-2.0
"""The cells of `nfvcap verify --matrix`: those of the founding study and ours, and why one cannot be measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nfvcap.report.study import ROWS

TRAFFICS = ("64", "965")
_VF = "virtual function"
Key = tuple[str, str, str, int]
"""(attachment, engine, driver of the PF, number of VFs)"""

_OURS: tuple[Key, ...] = (
    ("virtual device (memif)", "DPDK", "", 0),
    ("bare metal", "AF_XDP", "", 0),
    (_VF, "AF_XDP", "kernel", 1),
    (_VF, "kernel", "kernel", 2),
    (_VF, "DPDK", "kernel", 2),
    ("VirtIO", "kernel", "", 0),
    ("VirtIO", "DPDK", "", 0),
    ("emulated e1000", "kernel", "", 0),
)
KEYS: tuple[Key, ...] = tuple(dict.fromkeys([*((r.attachment, r.engine, r.pf_driver, r.vfs) for r in ROWS), *_OURS]))
_WHOLE = {
    "bare metal": "no source is cabled to a port that a program of this host captures from",
    "passthrough": "no guest has a whole port",
    "VirtIO": "no source sends into the network that a guest's virtual NIC is on",
    "emulated e1000": "no source sends into the network that a guest's virtual NIC is on",
    "virtual device (memif)": "it is measured on the machine itself: nfvcap verify localhost --matrix",
}
_FOREIGN = {
    "PF_RING": "PF_RING is not used: the agent brings a libpcap of its own, which does not know it",
    "HPCAP": "HPCAP is not installed",
    "HPCAPvf": "HPCAPvf is not installed",
}
_ENGINE_LACKS = {
    "DPDK": "the VF is not on vfio-pci in the guest",
    "kernel": "no interface of the VF is in the guest: its kernel driver does not have it",
    "AF_XDP": "the guest's kernel has no AF_XDP, or not the VF",
}


@dataclass(frozen=True)
class There:
    """What can be measured, and what the VFs of the guests are like.

    Args:
        doable: rows that can be measured.
        local: it is this machine, without guests.
        pf_drivers: "kernel" or "DPDK", of the PFs whose VFs guests have.
        vfs: the largest number of VFs that one guest has.
        engines: those that can have the VFs in their guests.
    """

    doable: frozenset[Key] = frozenset()
    local: bool = False
    pf_drivers: frozenset[str] = frozenset()
    vfs: int = 0
    engines: frozenset[str] = frozenset()


def subject(key: Key, traffic: str) -> str:
    """A stable name of a cell: ``virtual function, DPDK, PF by kernel, 1 VF, 64``."""
    attachment, engine, pf_driver, vfs = key
    words = [attachment, engine]
    words += [f"PF by {pf_driver}"] if pf_driver else []
    words += [f"{vfs} VF{'s' if vfs > 1 else ''}"] if vfs else []
    return ", ".join([*words, traffic])


def why_not(key: Key, there: There) -> str:
    """Why a row is not measured; "" when it is."""
    attachment, engine, _, _ = key
    if key in there.doable:
        return ""
    if engine in _FOREIGN:
        return _FOREIGN[engine]
    return _WHOLE[attachment] if attachment != _VF else next(_without(key, there), "no guest has these together")


def _without(key: Key, there: There) -> Iterator[str]:
    """What a VF in a guest lacks, the most general first."""
    _, engine, pf_driver, vfs = key
    if there.local:
        yield "no guest is measured: nfvcap verify HOST --matrix"
    if not there.vfs:
        yield "no guest that runs has a VF: nfvcap attach-vf GUEST"
    if pf_driver not in there.pf_drivers:
        yield f"the PF is driven by {' and '.join(sorted(there.pf_drivers))} here"
    if vfs > there.vfs:
        yield f"no guest has {vfs} VFs"
    if engine not in there.engines:
        yield _ENGINE_LACKS[engine]


def reasons(there: There) -> Mapping[tuple[Key, str], str]:
    """Every cell that is not measured, with why."""
    return {(key, traffic): why for key in KEYS for traffic in TRAFFICS if (why := why_not(key, there))}


def keys_of(pf_driver: str, vfs: Iterable[int], engines: Iterable[str]) -> frozenset[Key]:
    """Rows that a guest's VFs make possible."""
    return frozenset((_VF, engine, pf_driver, number) for number in vfs for engine in engines) & frozenset(KEYS)
