# SPDX-License-Identifier: Apache-2.0
"""PFs and their VFs: compared with what is wanted, refused where it would hurt, changed, read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .nfvcap_attached import attached_vfs, with_attachments
from .nfvcap_driver import DEFAULT, VFIO, bind, refuse_without_vfio, reload
from .nfvcap_driver import refuse as refuse_binding
from .nfvcap_failure import Failure
from .nfvcap_guests import read_guests
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_nics import read_nics
from .nfvcap_outcome import Outcome
from .nfvcap_pfguard import refuse
from .nfvcap_vfattr import ATTRIBUTES, DISRUPTIVE, VfWanted, differing, set_attributes, special
from .nfvcap_vfset import bring_up, recreate, set_autoprobe, vf_address

# A PF driver may reload firmware for each change of the number of VFs.
WRITE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class PfWanted:
    """What one PF shall be, by PCI address."""

    address: str
    num_vfs: int
    vfs: tuple[VfWanted, ...] = ()
    admin_up: bool = True


def read_pfs(host: Host) -> dict[str, dict[str, Any]]:
    """All NICs by PCI address as the facts know them, with VFs, holders, and what they carry."""
    return {nic["address"]: nic for nic in read_nics(host, read_guests(host))}


def set_pfs(
    host: Host,
    pfs: list[PfWanted],
    protected: list[str],
    outcome: Outcome,
    check: bool,
    *,
    timeout_s: float = WRITE_TIMEOUT_S,
) -> None:
    """Make each PF what is wanted. VFs that are made new get their attributes and then their drivers.

    VFs that are there keep their driver (see :mod:`nfvcap_vfdriver`), except that a kernel driver is reloaded when its
    VF's MAC address changed: it would go on with the old one.

    Raises:
        Failure: NFV-SRIOV-…, NFV-VF-…, NFV-DRV-…; refusals come before anything is touched on any PF.
    """
    nics, ledger = read_pfs(host), Ledger(host)
    todo = []
    for plain in pfs:
        refuse(host, nics, plain.address, plain.num_vfs, protected)
        pf = replace(plain, vfs=with_attachments(ledger, plain.address, plain.vfs, nics[plain.address]))
        if any(vf.index >= pf.num_vfs for vf in pf.vfs):
            raise Failure(
                "NFV-SRIOV-011",
                f"{pf.address}: VF {max(vf.index for vf in pf.vfs)} is described, but there shall be only {pf.num_vfs}",
                "indices start at 0",
                "run `nfvcap plan` again",
            )
        changes = compare(pf, nics[pf.address], ledger)
        _refuse_in_use(pf, nics[pf.address], changes)
        _refuse_attached(pf, nics[pf.address], ledger)
        for change_id, before, after in changes:
            outcome.add(change_id, before, after)
        if changes:
            todo.append(pf)
    if check:
        return
    _refuse_without_vfio(host, todo, nics)
    for pf in todo:
        outcome.begun = True
        _apply(host, pf, nics[pf.address], ledger, timeout_s)
    if todo:
        _read_back(host, todo, nics, ledger)


def compare(pf: PfWanted, nic: dict[str, Any], ledger: Ledger) -> list[tuple[str, Any, Any]]:
    """What differs, as (change id, before, after)."""
    sriov = nic["sriov"]
    found: list[tuple[str, Any, Any]] = []
    if sriov["drivers_autoprobe"] != _original_autoprobe(ledger, nic):
        found.append((f"pf:{pf.address}:autoprobe", sriov["drivers_autoprobe"], not sriov["drivers_autoprobe"]))
    if pf.admin_up and nic["admin_up"] is False:
        found.append((f"pf:{pf.address}:up", False, True))
    if number(nic) != pf.num_vfs:
        found.append((f"pf:{pf.address}:num_vfs", number(nic), pf.num_vfs))
    reported = {vf["index"]: vf for vf in sriov["vfs"]}
    for vf in _without_lent(pf, ledger):
        prefix = f"vf:{pf.address}:{vf.index}"
        if number(nic) != pf.num_vfs:
            found += [(f"{prefix}:{_short(name)}", None, value) for name, value in special(vf).items()]
            found += [(f"{prefix}:driver", None, vf.driver)] if vf.driver else []
        else:
            differences = differing(vf, reported[vf.index])
            found += [(f"{prefix}:{_short(name)}", have, want) for name, (have, want) in differences.items()]
    return found


def _without_lent(pf: PfWanted, ledger: Ledger) -> list[VfWanted]:
    """The wanted VFs; one whose address a mirror rule has lent keeps it, and gets its own back from that rule."""
    rules = [(ledger.entry(entry_id) or {})["rule"] for entry_id in ledger.ids() if entry_id.startswith("mirror:")]
    lent = {rule["monitor"]["index"] for rule in rules if rule["backend"] == "igbmac" and rule["pf"] == pf.address}
    return [replace(vf, mac=None) if vf.index in lent else vf for vf in pf.vfs]


def number(nic: dict[str, Any]) -> int:
    """How many VFs a PF has. A PF that says more than there are links to is half dead; its VFs have to be made anew."""
    return min(int(nic["sriov"]["num_vfs"]), len(nic["sriov"]["vfs"]))


def _short(attribute: str) -> str:
    return attribute[: -len("_mbps")] if attribute.endswith("_mbps") else attribute


def _original_autoprobe(ledger: Ledger, nic: dict[str, Any]) -> bool:
    """It is switched off while VFs are made; a run that was killed then has left it off."""
    entry = ledger.entry(f"sriov:{nic['address']}")
    return bool((entry["before"] if entry else nic["sriov"])["drivers_autoprobe"])


def _refuse_in_use(pf: PfWanted, nic: dict[str, Any], changes: list[tuple[str, Any, Any]]) -> None:
    """A VF in use keeps its existence, its address and its VLAN."""
    recreated = number(nic) != pf.num_vfs
    ids = {change_id for change_id, _, _ in changes}
    for vf in nic["sriov"]["vfs"]:
        touched = [name for name in DISRUPTIVE if f"vf:{pf.address}:{vf['index']}:{name}" in ids]
        user = user_of(vf)
        if user is None or not (recreated or touched):
            continue
        what = (
            f"the number of VFs of {pf.address} cannot change from {number(nic)} to {pf.num_vfs}"
            if recreated
            else f"VF {vf['index']} of {pf.address}: {', '.join(touched)} cannot be changed now"
        )
        raise Failure(
            "NFV-SRIOV-005",
            what,
            f"VF {vf['index']} ({vf['address']}) is in use by {user}",
            f"stop {user} or take the VF from it, then run again",
        )


def _refuse_attached(pf: PfWanted, nic: dict[str, Any], ledger: Ledger) -> None:
    """A guest that is off counts on its VF, too. At boot there are no VFs yet, and none is taken away."""
    for index, entry in attached_vfs(ledger, pf.address).items():
        if 0 < number(nic) != pf.num_vfs:
            raise Failure(
                "NFV-SRIOV-005",
                f"the number of VFs of {pf.address} cannot change from {number(nic)} to {pf.num_vfs}",
                f"VF {index} ({entry['address']}) is attached to the guest {entry['guest']['name']}",
                f"`nfvcap detach-vf {entry['guest']['name']} --vf {entry['address']}`, then run again",
            )


def user_of(vf: dict[str, Any]) -> str | None:
    """Who uses a VF now, in words."""
    holder = vf["holder"]
    if holder is not None:
        pid = f" (pid {holder['pid']})" if holder["pid"] else ""
        return f"the guest {holder['name']}" if holder["kind"] == "libvirt" else f"{holder['name']}{pid}"
    return None


def _refuse_without_vfio(host: Host, pfs: list[PfWanted], nics: dict[str, dict[str, Any]]) -> None:
    """Before VFs are made that could not get their driver."""
    new = [pf for pf in pfs if pf.num_vfs != number(nics[pf.address])]
    if any(vf.driver == VFIO for pf in new for vf in pf.vfs):
        refuse_without_vfio(host)


def record_pf(ledger: Ledger, nic: dict[str, Any]) -> None:
    """Note what a PF and its VFs were before the first change of any of them."""
    sriov = nic["sriov"]
    keys = ("index", "address", *ATTRIBUTES, "driver", "driver_override")
    before = {
        "num_vfs": sriov["num_vfs"],
        "drivers_autoprobe": sriov["drivers_autoprobe"],
        "admin_up": nic["admin_up"],
        "vfs": [{key: vf[key] for key in keys} for vf in sriov["vfs"]],
    }
    ledger.record(f"sriov:{nic['address']}", "sriov", before)


def _apply(host: Host, pf: PfWanted, nic: dict[str, Any], ledger: Ledger, timeout_s: float) -> None:
    record_pf(ledger, nic)
    autoprobe = _original_autoprobe(ledger, nic)
    if pf.admin_up:
        bring_up(host, pf.address)
    if number(nic) != pf.num_vfs:
        make_vfs(host, pf, autoprobe, timeout_s)
        _give_to_drivers(host, pf)
        return
    set_autoprobe(host, pf.address, autoprobe)
    reported = {vf["index"]: vf for vf in nic["sriov"]["vfs"]}
    for vf in _without_lent(pf, ledger):
        differences = differing(vf, reported[vf.index])
        set_attributes(host, pf.address, vf, reported[vf.index])
        if "mac" in differences:
            _reload_kernel_driver(host, reported[vf.index])


def make_vfs(host: Host, pf: PfWanted, autoprobe: bool, timeout_s: float) -> None:
    """New VFs with their attributes; no driver has touched one by then, unless it is free to (autoprobe).

    Raises:
        Failure: as :func:`recreate` and :func:`set_attributes` do; when VFs cannot be made there are none.
    """
    try:
        set_autoprobe(host, pf.address, False)
        _recreate_or_none(host, pf, timeout_s)
        reported = {vf["index"]: vf for vf in read_pfs(host)[pf.address]["sriov"]["vfs"]} if pf.vfs else {}
        for vf in pf.vfs:
            set_attributes(host, pf.address, vf, reported[vf.index])
    finally:
        set_autoprobe(host, pf.address, autoprobe)


def _recreate_or_none(host: Host, pf: PfWanted, timeout_s: float) -> None:
    try:
        recreate(host, pf.address, pf.num_vfs, timeout_s)
    except Failure as failure:
        # Half a set of VFs looks like a set to everybody else. A driver that blocks would only block again.
        if failure.code != "NFV-SRIOV-006" and pf.num_vfs:
            try:
                recreate(host, pf.address, 0, timeout_s)
            except Failure as second:
                failure.why += f"; and then: {second.what}"
            else:
                failure.why += "; it has no VFs now"
        raise


def _give_to_drivers(host: Host, pf: PfWanted) -> None:
    wanted = {vf.index: vf.driver for vf in pf.vfs}
    addresses = {index: vf_address(host, pf.address, index) or "" for index in range(pf.num_vfs)}
    together = frozenset(addresses[index] for index, driver in wanted.items() if driver == VFIO)
    for index, address in addresses.items():
        refuse_binding(host, address, wanted.get(index, DEFAULT), together)
        bind(host, address, wanted.get(index, DEFAULT))


def _reload_kernel_driver(host: Host, vf: dict[str, Any]) -> None:
    """A VF's kernel driver takes the administrative address only when it starts."""
    if vf["driver"] not in (None, VFIO) and vf["holder"] is None:
        reload(host, vf["address"])


def _read_back(host: Host, pfs: list[PfWanted], former: dict[str, dict[str, Any]], ledger: Ledger) -> None:
    nics = read_pfs(host)
    for pf in pfs:
        bad = [f"{name} is {have!r}, not {want!r}" for name, have, want in compare(pf, nics[pf.address], ledger)]
        if number(former[pf.address]) != pf.num_vfs:
            drivers = {vf["index"]: vf["driver"] for vf in nics[pf.address]["sriov"]["vfs"]}
            bad += [
                f"VF {vf.index} has {drivers.get(vf.index) or 'no driver'}, not {vf.driver}"
                for vf in pf.vfs
                if vf.driver and drivers.get(vf.index) != vf.driver
            ]
        if bad:
            raise Failure(
                "NFV-SRIOV-010",
                f"{pf.address} is not as wanted after the change",
                "; ".join(bad),
                "`dmesg` on the host has the driver's own words; then run again",
            )
