# SPDX-License-Identifier: Apache-2.0
"""A PF and its VFs back to what the ledger says they were."""

from __future__ import annotations

from typing import Any

from .nfvcap_driver import restore_binding
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_sriov import WRITE_TIMEOUT_S, PfWanted, make_vfs, number, read_pfs, user_of
from .nfvcap_vfattr import ATTRIBUTES, VfWanted, differing, pf_interface, set_attributes
from .nfvcap_vfset import set_autoprobe, vf_address


def restore_pf(host: Host, address: str, before: dict[str, Any]) -> str | None:
    """Restore number, attributes and drivers of VFs, autoprobe, and whether the PF was up.

    Returns:
        Why nothing was done, when the device is gone; else None.

    Raises:
        Failure: NFV-SRIOV-005 a VF is in use, NFV-SRIOV-002 the PF carries ssh or a default route by now, and what
            creating VFs, setting attributes and binding drivers raise.
    """
    nic = read_pfs(host).get(address)
    if nic is None or nic["sriov"] is None:
        return f"the network card {address} is gone, or has no SR-IOV any more"
    changes_number = number(nic) != before["num_vfs"]
    _refuse(nic, before, changes_number)
    wanted = PfWanted(address, before["num_vfs"], tuple(_as_wanted(vf) for vf in before["vfs"]))
    if changes_number:
        make_vfs(host, wanted, before["drivers_autoprobe"], WRITE_TIMEOUT_S)
    else:
        reported = {vf["index"]: vf for vf in nic["sriov"]["vfs"]}
        for vf in wanted.vfs:
            if differing(vf, reported[vf.index]):
                set_attributes(host, address, vf, reported[vf.index])
        set_autoprobe(host, address, before["drivers_autoprobe"])
    for old in before["vfs"]:
        restore_binding(
            host, vf_address(host, address, old["index"]) or old["address"], old["driver"], old["driver_override"]
        )
    name = pf_interface(host, address)
    if before["admin_up"] is False and name is not None:
        host.must(
            ["ip", "link", "set", "dev", name, "down"],
            "NFV-SRIOV-008",
            f"the interface {name} of {address} could not be set down",
            "`dmesg` on the host has the driver's own words",
        )
    return None


def _refuse(nic: dict[str, Any], before: dict[str, Any], changes_number: bool) -> None:
    if nic["carries"] and (changes_number or before["admin_up"] is False):
        raise Failure(
            "NFV-SRIOV-002",
            f"{nic['address']} is not touched",
            f"it carries {' and '.join(nic['carries'])} by now: a change could cut this host off",
            "move ssh and the default route to another card, then run again",
        )
    former = {vf["index"]: vf for vf in before["vfs"]}
    for vf in nic["sriov"]["vfs"]:
        user, old = user_of(vf), former.get(vf["index"])
        if user is not None and (changes_number or old is None or _differs(vf, old)):
            raise Failure(
                "NFV-SRIOV-005",
                f"{nic['address']} cannot go back to what it was",
                f"VF {vf['index']} ({vf['address']}) is in use by {user}",
                f"stop {user} or take the VF from it, then run again",
            )


def _differs(vf: dict[str, Any], old: dict[str, Any]) -> bool:
    return bool(differing(_as_wanted(old), vf)) or any(vf[key] != old[key] for key in ("driver", "driver_override"))


def _as_wanted(vf: dict[str, Any]) -> VfWanted:
    return VfWanted(index=vf["index"], **{name: vf[name] for name in ATTRIBUTES})
