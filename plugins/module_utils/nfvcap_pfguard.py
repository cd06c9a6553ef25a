# SPDX-License-Identifier: Apache-2.0
"""What must not be done to a PF, whatever the inventory says."""

from __future__ import annotations

from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host

_ROLES = {"ssh": "the ssh connection", "default-route": "a default route"}


def refuse(host: Host, nics: dict[str, dict[str, Any]], address: str, num_vfs: int, protected: list[str]) -> None:
    """Refuse a PF that carries what this run depends on, and one that cannot do what is asked.

    Args:
        nics: all NICs, read on the host just now; the list from the plan is only believed when it says "protected".
        protected: NICs that the plan names as never to be touched.

    Raises:
        Failure: NFV-SRIOV-001 no such device, -002 protected, -003 no SR-IOV, -004 too many VFs.
    """
    nic = nics.get(address)
    if nic is None:
        raise Failure(
            "NFV-SRIOV-001",
            f"there is no network card at {address}",
            f"there are: {', '.join(nics) or 'none'}",
            "correct the address in the inventory (`lspci -D`), or plug the card in",
        )
    carries = sorted({role for one in (nic, *_vfs(nics, nic)) for role in one["carries"]})
    if carries or address in protected:
        via = f" through {', '.join(nic['carries_via'])}" if nic["carries_via"] else ""
        what = " and ".join(_ROLES[role] for role in carries) or "what the plan protects"
        raise Failure(
            "NFV-SRIOV-002",
            f"{address} is not touched",
            f"it carries {what}{via}: a change could cut this host off",
            "use another card for VFs, or move ssh and the default route to another one",
        )
    if nic["sriov"] is None:
        raise Failure(
            "NFV-SRIOV-003",
            f"{address} does not offer SR-IOV",
            f"its driver is {nic['driver'] or 'none'}, and there is no sriov_totalvfs",
            "switch SR-IOV on in the firmware of machine and card, and use a driver that supports it",
        )
    total = nic["sriov"]["total_vfs"]
    if num_vfs > total:
        raise Failure(
            "NFV-SRIOV-004",
            f"{address} cannot have {num_vfs} VFs",
            f"the card offers {total}",
            "ask for fewer, or raise the number in the card's firmware",
        )


def _vfs(nics: dict[str, dict[str, Any]], nic: dict[str, Any]) -> list[dict[str, Any]]:
    return [other for other in nics.values() if other["physfn"] == nic["address"]]
