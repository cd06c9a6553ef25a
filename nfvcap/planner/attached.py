# SPDX-License-Identifier: Apache-2.0
"""VFs that ``nfvcap attach-vf`` gave to guests: what they have by that is wanted, and no difference from the plan.

The plan's desired state and files stay what the inventory says, because that is what a VF goes back to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nfvcap.model.facts import Facts, Nic
from nfvcap.model.plan import PfTarget


def attached_vfs(facts: Facts, nic: Nic) -> dict[int, Mapping[str, Any]]:
    """The port's attachments by VF index, as the host's ledger has them.

    Not those under way, which the next change settles, nor one to a running guest only that nobody holds any more.
    """
    entries: Mapping[str, Mapping[str, Any]] = (facts.ledger or {}).get("entries", {})
    held = {vf.index for vf in (nic.sriov.vfs if nic.sriov else ()) if vf.holder}
    return {
        int(entry["index"]): entry
        for entry in entries.values()
        if entry.get("kind") == "attach"
        and entry["pf"] == nic.address
        and entry["state"] == "attached"
        and (entry["config"] or entry["index"] in held)
    }


def with_attachments(pf: PfTarget, nic: Nic, facts: Facts) -> PfTarget:
    """The port's VFs as they shall be now."""
    attached = attached_vfs(facts, nic)
    return pf.model_copy(
        update={
            "vfs": tuple(
                vf.model_copy(update=dict(attached[vf.index]["wanted"])) if vf.index in attached else vf
                for vf in pf.vfs
            )
        }
    )
