# SPDX-License-Identifier: Apache-2.0
"""Desired ports and VFs against facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nfvcap.model.facts import Facts, Nic, Vf
from nfvcap.model.plan import Change, Desired, Disruption, PfTarget, VfTarget
from nfvcap.planner.attached import attached_vfs, with_attachments
from nfvcap.planner.lent import lent_addresses
from nfvcap.planner.misfits import Misfits
from nfvcap.planner.vfs import SPOOFCHK_BY_DEFAULT, VFIO

# What the kernel gives a new VF; a driver that does not report an attribute counts as having this.
KERNEL_DEFAULTS: dict[str, Any] = {
    "vlan": 0,
    "qos": 0,
    "trust": False,
    "spoofchk": True,
    "min_tx_rate_mbps": 0,
    "max_tx_rate_mbps": 0,
    "link_state": "auto",
}
ATTRIBUTES = ("mac", *KERNEL_DEFAULTS)
_RESETS_VF = frozenset({"mac", "vlan", "qos", "trust"})


def pf_changes(desired: Desired, facts: Facts, misfits: Misfits) -> tuple[Change, ...]:
    """First all ports, then all attributes, then all drivers: the order of the roles."""
    nics = {nic.address: nic for nic in facts.nics}
    pairs = [(with_attachments(pf, nics[pf.address], facts), nics[pf.address]) for pf in desired.pfs]
    lent = lent_addresses(facts.ledger)
    return (
        *(change for pf, nic in pairs for change in _pf(pf, nic, facts, misfits)),
        *(change for pf, nic in pairs for change in _attributes(pf, nic, lent, misfits)),
        *(change for pf, nic in pairs for change in _drivers(pf, nic, misfits)),
    )


def _label(pf: PfTarget) -> str:
    return f"{pf.address} ({pf.name})" if pf.name else pf.address


def _held_by(vf: Vf) -> str:
    if vf.holder is None:
        return ""
    if vf.holder.kind == "libvirt":
        return f"guest {vf.holder.name}"
    return f"process {vf.holder.name}" + (f" (pid {vf.holder.pid})" if vf.holder.pid else "")


def _users(nic: Nic, facts: Facts) -> dict[int, str]:
    """Who counts on which VF: holders, and guests that are off and will have it at their next start."""
    attached = {index: f"guest {entry['guest']['name']}" for index, entry in attached_vfs(facts, nic).items()}
    return attached | {vf.index: _held_by(vf) for vf in (nic.sriov.vfs if nic.sriov else ()) if vf.holder}


def _pf(pf: PfTarget, nic: Nic, facts: Facts, misfits: Misfits) -> Iterator[Change]:
    if pf.admin_up and nic.admin_up is False:
        yield Change(
            id=f"pf:{pf.address}:up",
            role="sriov",
            title=f"set {_label(pf)} up",
            before="down",
            after="up",
            disruption=Disruption.NONE,
            reason="VFs of a port that is down have no link, and some drivers refuse to make any.",
        )
    have = nic.sriov.num_vfs if nic.sriov else 0
    if have != pf.num_vfs:
        held = _users(nic, facts) if have else {}
        if held:
            misfits.add(
                "NFV-PLAN-070",
                f"{_label(pf)} has {have} VFs and shall have {pf.num_vfs}, but "
                + ", ".join(f"VF {index} is held by {who}" for index, who in sorted(held.items())),
                "changing the number destroys all VFs of the port first",
                f"shut down or detach the holders, or ask for {have} VFs",
            )
        yield Change(
            id=f"pf:{pf.address}:num_vfs",
            role="sriov",
            title=f"VFs of {_label(pf)}",
            before=have,
            after=pf.num_vfs,
            disruption=Disruption.LINK_FLAP,
            reason="The port resets when its VFs are created or removed; its own link goes down for a moment."
            + (" The number can only be changed through 0, so the present VFs are destroyed." if have else ""),
        )


def _existing(pf: PfTarget, nic: Nic) -> dict[int, Vf]:
    """VFs that stay: none when their number changes, because that makes new ones."""
    if nic.sriov is None or nic.sriov.num_vfs != pf.num_vfs:
        return {}
    return {vf.index: vf for vf in nic.sriov.vfs}


def satisfied(name: str, reported: Any, wanted: Any) -> bool:
    """Whether a VF's attribute is as wanted; one rule for planner, module and checks."""
    if wanted is None:
        return True
    if reported is None:
        return name in KERNEL_DEFAULTS and bool(wanted == KERNEL_DEFAULTS[name])
    return bool(reported == wanted)


def _fresh(name: str, nic: Nic) -> Any:
    """What a VF that does not exist yet will report."""
    if name == "spoofchk" and nic.driver not in SPOOFCHK_BY_DEFAULT:
        return not KERNEL_DEFAULTS[name]
    return KERNEL_DEFAULTS.get(name)


def _attributes(pf: PfTarget, nic: Nic, lent: frozenset[tuple[str, int]], misfits: Misfits) -> Iterator[Change]:
    existing = _existing(pf, nic)
    for target in pf.vfs:
        vf = existing.get(target.index)
        for name in ATTRIBUTES:
            # While a mirror rule lends a monitor the watched VF's address, its own one waits in the host's ledger.
            is_lent = vf is not None and name == "mac" and (pf.address, target.index) in lent
            wanted = None if is_lent else getattr(target, name)
            reported = getattr(vf, name) if vf else _fresh(name, nic)
            if satisfied(name, reported, wanted):
                continue
            if nic.name is None:
                misfits.add(
                    "NFV-PLAN-017",
                    f"the {_words(name)} of VF {target.index} on {pf.address} cannot be set",
                    f"the port has no network interface (driver {nic.driver or 'none'}) to set attributes through",
                    "bind the port to its kernel driver, or take the attributes out of the inventory",
                )
                continue
            yield _attribute_change(pf, target, name, vf, wanted)


def _words(name: str) -> str:
    return {"mac": "MAC address", "vlan": "VLAN", "qos": "VLAN priority"}.get(
        name, name.removesuffix("_mbps").replace("_", " ")
    )


def _attribute_change(pf: PfTarget, target: VfTarget, name: str, vf: Vf | None, wanted: Any) -> Change:
    resets = vf is not None and name in _RESETS_VF
    reason = "The inventory says so." if vf is None or not resets else "The VF's driver resets to take it over."
    if vf is not None and resets and vf.holder:
        reason += f" It is held by {_held_by(vf)}, which will notice."
    return Change(
        id=f"vf:{pf.address}:{target.index}:{name.removesuffix('_mbps')}",
        role="sriov",
        title=f"{_words(name)} of VF {target.index} on {_label(pf)}",
        before=getattr(vf, name) if vf else None,
        after=wanted,
        disruption=Disruption.LINK_FLAP if resets else Disruption.NONE,
        reason=reason,
    )


def driver_satisfied(vf: Vf, wanted: str) -> bool:
    """Whether a VF has the wanted driver; "" is the kernel's default, which libvirt may have borrowed to vfio-pci."""
    if wanted:
        return vf.driver == wanted
    lent = vf.holder is not None and vf.holder.kind == "libvirt" and vf.driver == VFIO
    return lent or (vf.driver not in (None, VFIO) and not vf.driver_override)


def _drivers(pf: PfTarget, nic: Nic, misfits: Misfits) -> Iterator[Change]:
    existing = _existing(pf, nic)
    for target in pf.vfs:
        vf = existing.get(target.index)
        if not target.driver if vf is None else driver_satisfied(vf, target.driver):
            continue
        if vf is not None and vf.holder:
            misfits.add(
                "NFV-PLAN-071",
                f"VF {target.index} of {_label(pf)} shall have the driver {target.driver or 'of the kernel'}, but"
                f" {_held_by(vf)} holds it with {vf.driver or 'no driver'}",
                "a device cannot change its driver under its user",
                "shut down or detach the holder first",
            )
            continue
        yield Change(
            id=f"vf:{pf.address}:{target.index}:driver",
            role="driver_binding",
            title=f"driver of VF {target.index} on {_label(pf)}",
            before=(vf.driver or "none") if vf else None,
            after=target.driver or "kernel",
            disruption=Disruption.LINK_FLAP if vf is not None and vf.name else Disruption.NONE,
            reason="vfio-pci hands the VF to a program or guest instead of the host's network stack."
            if target.driver == VFIO
            else "The inventory says so.",
        )
