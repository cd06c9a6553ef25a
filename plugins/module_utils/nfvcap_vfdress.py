# SPDX-License-Identifier: Apache-2.0
"""Administrative attributes of one VF set for an attachment, and read back."""

from __future__ import annotations

from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_sriov import read_pfs
from .nfvcap_vfattr import VfWanted, differing, set_attributes


def reported(host: Host, pf: str, index: int) -> dict[str, Any]:
    """One VF as it is now.

    Raises:
        Failure: NFV-ATTACH-003 it does not exist.
    """
    nic = read_pfs(host).get(pf)
    for vf in nic["sriov"]["vfs"] if nic is not None and nic["sriov"] else ():
        if vf["index"] == index:
            return dict(vf)
    raise Failure(
        "NFV-ATTACH-003",
        f"VF {index} of {pf} does not exist",
        "the PF is gone, or has fewer VFs" if nic is not None else f"there is no network card at {pf}",
        "`nfvcap status` shows the VFs",
    )


def dress(host: Host, entry: dict[str, Any]) -> None:
    """Give the VF the attributes of its attachment.

    Raises:
        Failure: NFV-VF-001, NFV-VF-002 as :func:`set_attributes`; NFV-ATTACH-021 it reads back differently.
    """
    wanted = VfWanted(index=entry["index"], **entry["wanted"])
    set_attributes(host, entry["pf"], wanted, reported(host, entry["pf"], entry["index"]))
    left = differing(wanted, reported(host, entry["pf"], entry["index"]))
    if left:
        raise Failure(
            "NFV-ATTACH-021",
            f"VF {entry['index']} of {entry['pf']} did not take its attributes",
            "; ".join(f"{name} is {have!r}, not {want!r}" for name, (have, want) in left.items()),
            "see what else sets them, and `dmesg` on the host",
        )
