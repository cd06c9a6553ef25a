# SPDX-License-Identifier: Apache-2.0
"""Drivers of VFs that exist: compared, refused while somebody uses the VF, bound, read back."""

from __future__ import annotations

from typing import Any

from .nfvcap_driver import VFIO, Binding, bind, is_satisfied, refuse
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome
from .nfvcap_pfguard import refuse as refuse_pf
from .nfvcap_sriov import PfWanted, number, read_pfs, record_pf, user_of

# In check mode these are noted only: an earlier step of a real run would have seen to them.
_LATER = ("NFV-DRV-001", "NFV-DRV-003")


def set_vf_drivers(host: Host, pfs: list[PfWanted], protected: list[str], outcome: Outcome, check: bool) -> None:
    """Give each VF to the driver that it shall have.

    VFs that do not exist yet get their driver when they are made, so in check mode they are only noted.

    Raises:
        Failure: NFV-DRV-…, NFV-SRIOV-001…-005; refusals come before anything is touched.
    """
    nics = read_pfs(host)
    todo: list[tuple[dict[str, Any], dict[str, Any], str]] = []
    for pf in pfs:
        refuse_pf(host, nics, pf.address, pf.num_vfs, protected)
        nic = nics[pf.address]
        if check and number(nic) != pf.num_vfs:
            outcome.notes.append(f"{pf.address}: its VFs get their drivers when they are made")
            continue
        todo += [(nic, vf, driver) for vf, driver in _differing(pf, nic)]
    _refuse_all(host, todo, outcome, check)
    for nic, vf, driver in todo:
        outcome.add(f"vf:{nic['address']}:{vf['index']}:driver", vf["driver"], driver or "the kernel's default")
    if check or not todo:
        return
    ledger = Ledger(host)
    for nic, vf, driver in todo:
        record_pf(ledger, nic)
        outcome.begun = True
        bind(host, vf["address"], driver)


def _differing(pf: PfWanted, nic: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    reported = {vf["index"]: vf for vf in nic["sriov"]["vfs"]}
    found = []
    for wanted in pf.vfs:
        vf = reported.get(wanted.index)
        if vf is None:
            raise Failure(
                "NFV-DRV-005",
                f"VF {wanted.index} of {pf.address} does not exist",
                f"the PF has {nic['sriov']['num_vfs']} VFs",
                "apply the role `sriov` first",
            )
        by_guest = vf["holder"] is not None and vf["holder"]["kind"] == "libvirt"
        if not is_satisfied(Binding(vf["driver"], vf["driver_override"]), wanted.driver, by_guest):
            found.append((vf, wanted.driver))
    return found


def _refuse_all(
    host: Host, todo: list[tuple[dict[str, Any], dict[str, Any], str]], outcome: Outcome, check: bool
) -> None:
    together = frozenset(vf["address"] for _, vf, driver in todo if driver == VFIO)
    for nic, vf, driver in todo:
        user = user_of(vf)
        if user is not None:
            raise Failure(
                "NFV-DRV-007",
                f"VF {vf['index']} of {nic['address']} cannot change its driver now",
                f"{vf['address']} is in use by {user}",
                f"stop {user} or take the VF from it, then run again",
            )
        try:
            refuse(host, vf["address"], driver, together)
        except Failure as failure:
            if not check or failure.code not in _LATER:
                raise
            outcome.notes.append(f"{failure.what}: {failure.why}")
