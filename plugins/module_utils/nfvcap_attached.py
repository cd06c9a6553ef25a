# SPDX-License-Identifier: Apache-2.0
"""What attachments mean for those who set VFs up: an attached VF has the attributes of its attachment, not the plan's.

So provisioning leaves it alone, and the boot unit gives it the same attributes again before its guest starts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .nfvcap_attachment import ATTACHED, entries
from .nfvcap_ledger import Ledger
from .nfvcap_vfattr import VfWanted


def attached_vfs(ledger: Ledger, pf: str) -> dict[int, dict[str, Any]]:
    """Attachments of a PF's VFs by index; those under way are not counted."""
    return {entry["index"]: entry for _, entry in entries(ledger) if entry["pf"] == pf and entry["state"] == ATTACHED}


def with_attachments(ledger: Ledger, pf: str, vfs: tuple[VfWanted, ...], nic: dict[str, Any]) -> tuple[VfWanted, ...]:
    """The VFs as they shall be, with the attributes of attachments in place of the plan's.

    An attachment to a running guest only has ended when the VF is held by nobody, as it is after a boot.
    """
    held = {vf["index"] for vf in (nic["sriov"] or {"vfs": []})["vfs"] if vf["holder"] is not None}
    attached = {index: entry for index, entry in attached_vfs(ledger, pf).items() if entry["config"] or index in held}
    return tuple(replace(vf, **attached[vf.index]["wanted"]) if vf.index in attached else vf for vf in vfs)
