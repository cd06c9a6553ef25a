# SPDX-License-Identifier: Apache-2.0
"""A VF that leaves a guest becomes what it was: libvirt puts back MAC address and VLAN only, and tells no failure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .nfvcap_driver import VFIO, read_binding, reload, restore_binding
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_sriov import read_pfs
from .nfvcap_vfattr import ATTRIBUTES, VfWanted, differing, set_attributes

NO_MAC = "00:00:00:00:00:00"
# libvirt gives the device back a moment after the guest has released it.
_RELEASE_TIMEOUT_S = 15.0


def restore_vf(host: Host, entry: dict[str, Any]) -> list[str]:
    """Attributes, then the driver, then both read back.

    Returns:
        Notes: what has no exact way back, and that a VF is gone.

    Raises:
        Failure: NFV-ATTACH-015 with every attribute that is not as before; NFV-ATTACH-014 somebody still has the VF.
    """
    before, vf = entry["before"], _find(host, entry)
    if vf is None:
        return [f"VF {entry['index']} of {entry['pf']} does not exist any more: there is nothing to restore"]
    _wait_until_released(host, entry)
    notes, trouble = _attributes(host, entry, vf)
    former_mac = str(vf["mac"] or "")
    try:
        restore_binding(host, vf["address"], before["driver"], before["driver_override"])
        _restart_driver(host, entry, former_mac)
    except Failure as failure:
        trouble.append(f"{failure.what}: {failure.why}")
    trouble += _differences(host, entry, notes)
    if trouble:
        raise Failure(
            "NFV-ATTACH-015",
            f"VF {entry['index']} of {entry['pf']} is not what it was before",
            "; ".join(trouble),
            "remove the cause (`dmesg` on the host has the driver's own words), then run again: it is tried again",
        )
    return notes


def _find(host: Host, entry: dict[str, Any]) -> dict[str, Any] | None:
    nic = read_pfs(host).get(entry["pf"])
    found = [vf for vf in (nic["sriov"]["vfs"] if nic and nic["sriov"] else []) if vf["index"] == entry["index"]]
    return found[0] if found else None


def _wait_until_released(host: Host, entry: dict[str, Any]) -> None:
    def holder() -> dict[str, Any] | None:
        vf = _find(host, entry)
        return vf["holder"] if vf is not None else None

    if host.wait_until(lambda: holder() is None, _RELEASE_TIMEOUT_S, 0.2):
        return
    who = holder() or {"name": "?", "pid": None}
    raise Failure(
        "NFV-ATTACH-014",
        f"VF {entry['index']} of {entry['pf']} is still in use",
        f"{who['name']}" + (f" (pid {who['pid']})" if who["pid"] else "") + " holds it",
        "stop it, then run again",
    )


def _attributes(host: Host, entry: dict[str, Any], vf: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Everything but the MAC address together, then the address: one refusal must not keep the others back."""
    wanted = VfWanted(index=entry["index"], **{name: entry["before"][name] for name in ATTRIBUTES})
    notes: list[str] = []
    trouble: list[str] = []
    try:
        set_attributes(host, entry["pf"], replace(wanted, mac=None), vf)
    except Failure as failure:
        trouble.append(f"{failure.what} ({failure.why})")
    try:
        set_attributes(host, entry["pf"], VfWanted(index=wanted.index, mac=wanted.mac), vf)
    except Failure as failure:
        if wanted.mac != NO_MAC:
            trouble.append(f"{failure.what} ({failure.why})")
        else:
            notes.append(
                f"VF {entry['index']} of {entry['pf']} keeps the MAC address {vf['mac']}: it had none before, and the"
                " driver does not take an address away; it goes when the VFs are made anew"
            )
    return notes, trouble


def _restart_driver(host: Host, entry: dict[str, Any], former_mac: str) -> None:
    """A kernel driver took the VF back with the guest's address, and keeps that until it starts anew."""
    driver = read_binding(host, entry["address"]).driver
    before = entry["before"]["mac"]
    if driver not in (None, VFIO) and driver == entry["before"]["driver"] and before not in (None, former_mac):
        reload(host, entry["address"])


def _differences(host: Host, entry: dict[str, Any], notes: list[str]) -> list[str]:
    vf, before = _find(host, entry), entry["before"]
    if vf is None:
        return ["it is gone"]
    wanted = VfWanted(index=entry["index"], **{name: before[name] for name in ATTRIBUTES})
    if notes:
        wanted = replace(wanted, mac=None)
    left = [f"{name} is {have!r}, was {want!r}" for name, (have, want) in differing(wanted, vf).items()]
    left += [
        f"{key} is {vf[key]!r}, was {before[key]!r}" for key in ("driver", "driver_override") if vf[key] != before[key]
    ]
    return left
