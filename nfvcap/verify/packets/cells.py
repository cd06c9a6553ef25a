# SPDX-License-Identifier: Apache-2.0
"""The cells of `nfvcap verify --matrix`: those of the founding study and ours, and why one cannot be measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nfvcap.report.study import ROWS

TRAFFICS = ("64", "965")
VIRTUAL_FUNCTION = "virtual function"
_VF = VIRTUAL_FUNCTION
Key = tuple[str, str, str, int]
"""(attachment, engine, driver of the PF, number of VFs)"""

_OURS: tuple[Key, ...] = (
    ("virtual device (memif)", "DPDK", "", 0),
    ("bare metal", "AF_XDP", "", 0),
    ("bare metal", "libpcap", "", 0),
    ("passthrough", "libpcap", "", 0),
    (_VF, "libpcap", "kernel", 1),
    (_VF, "PF_RING", "kernel", 1),
    (_VF, "AF_XDP", "kernel", 1),
    (_VF, "kernel", "kernel", 2),
    (_VF, "DPDK", "kernel", 2),
    ("VirtIO", "kernel", "", 0),
    ("VirtIO", "DPDK", "", 0),
    ("emulated e1000", "kernel", "", 0),
    ("emulated e1000", "DPDK", "", 0),
)
KEYS: tuple[Key, ...] = tuple(dict.fromkeys([*((r.attachment, r.engine, r.pf_driver, r.vfs) for r in ROWS), *_OURS]))
BARE_METAL, PASSTHROUGH, VIRTIO, E1000 = "bare metal", "passthrough", "VirtIO", "emulated e1000"
_WHOLE = {
    BARE_METAL: "no port of a host is measured here: nfvcap verify HOST --matrix",
    PASSTHROUGH: "no port and no guest are named that it may be given to for so long: --dpdk-pf PF --guest GUEST",
    VIRTIO: "no guest is named that may get a virtual NIC as long as that is measured: --guest GUEST",
    E1000: "no guest is named that may get a virtual NIC as long as that is measured: --guest GUEST",
    "virtual device (memif)": "it is measured on the machine itself: nfvcap verify localhost --matrix",
}
_NO_GUEST = "no guest is measured: nfvcap verify HOST --matrix"
# These are about nfvcap, not about the host, which is not asked whether it has them.
_FOREIGN = {
    "HPCAP": "nfvcap does not drive HPCAP",
    "HPCAPvf": "nfvcap does not drive HPCAPvf",
}
_ENGINE_LACKS = {
    "DPDK": "the VF is not on vfio-pci in the guest",
    "kernel": "no interface of the VF is in the guest: its kernel driver does not have it",
    "AF_XDP": "the guest's kernel has no AF_XDP, or not the VF",
    "libpcap": "the guest has no tcpdump, or its kernel not the VF",
    "PF_RING": "no tcpdump captures by PF_RING in the guest",
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
        known: why rows are not measured, as far as it was seen on the way.
        no_dpdk_pf: what the host says about a PF with VFs that DPDK would drive; "" when it was not asked.
    """

    doable: frozenset[Key] = frozenset()
    local: bool = False
    pf_drivers: frozenset[str] = frozenset()
    vfs: int = 0
    engines: frozenset[str] = frozenset()
    known: Mapping[Key, str] = field(default_factory=dict)
    no_dpdk_pf: str = ""


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
    if key in there.known:
        return there.known[key]
    if there.local and attachment in (PASSTHROUGH, VIRTIO, E1000):
        return _NO_GUEST
    return _WHOLE[attachment] if attachment != _VF else next(_without(key, there), "no guest has these together")


def _without(key: Key, there: There) -> Iterator[str]:
    """What a VF in a guest lacks, the most general first."""
    _, engine, pf_driver, vfs = key
    if there.local:
        yield _NO_GUEST
    if not there.vfs and pf_driver == "DPDK" and there.no_dpdk_pf:
        yield there.no_dpdk_pf
    if not there.vfs:
        yield "no guest that runs has a VF: nfvcap attach-vf GUEST"
    if pf_driver not in there.pf_drivers:
        here = f"the PF is driven by {' and '.join(sorted(there.pf_drivers))} here"
        yield f"{here}: {there.no_dpdk_pf}" if there.no_dpdk_pf else here
    if vfs > there.vfs:
        yield f"no guest has {vfs} VFs"
    if engine not in there.engines:
        yield _ENGINE_LACKS[engine]


def reasons(there: There, wanted: Sequence[str] = TRAFFICS) -> Mapping[tuple[Key, str], str]:
    """Every cell that is not measured, with why.

    Args:
        wanted: the kinds of traffic that were asked for.
    """
    unasked = f"asked for was --traffic {' '.join(wanted)} alone"
    told = {
        (key, traffic): why_not(key, there) or ("" if traffic in wanted else unasked)
        for key in KEYS for traffic in TRAFFICS
    }  # fmt: skip
    return {cell: why for cell, why in told.items() if why}


def keys_of(pf_driver: str, vfs: Iterable[int], engines: Iterable[str]) -> frozenset[Key]:
    """Rows that a guest's VFs make possible."""
    return frozenset((_VF, engine, pf_driver, number) for number in vfs for engine in engines) & frozenset(KEYS)
