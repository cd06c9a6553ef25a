# SPDX-License-Identifier: Apache-2.0
"""Which attached VF is meant when one is to be detached. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nfvcap.attach.guests import attached, promised
from nfvcap.attach.request import named_vf
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts


def which(guest: str, vf: str, pf: str, facts: Facts, host: str) -> Mapping[str, Any]:
    """The ledger's entry of the VF to detach.

    Raises:
        UsageError: NFV-ATTACH-016 nothing, or no single one; NFV-ATTACH-003 no such VF.
    """
    mine = {key: entry for key, entry in attached(facts).items() if entry["guest"]["name"] == guest}
    told = "; ".join(f"VF {entry['index']} of {entry['pf']} ({entry['address']})" for entry in mine.values())
    if not vf:
        if len(mine) == 1:
            return next(iter(mine.values()))
        if mine:
            raise UsageError(
                "NFV-ATTACH-016", f"guest {guest} has {len(mine)} VFs by nfvcap: which one?", told, "name it with --vf"
            )
        raise _nothing(guest, "", facts, host)
    nic, found = named_vf(vf, pf, facts)
    entry = mine.get((nic.address, found.index))
    if entry is None:
        raise _nothing(guest, f" {found.address}", facts, host)
    return entry


def has_any(guest: str, facts: Facts) -> bool:
    """Whether the host's ledger has a VF of this guest, also if libvirt has forgotten the guest."""
    return any(entry["guest"]["name"] == guest for entry in attached(facts).values())


def _nothing(guest: str, vf: str, facts: Facts, host: str) -> UsageError:
    by_nfvcap = [f"{entry['address']} to {entry['guest']['name']}" for entry in attached(facts).values()]
    by_others = sorted(address for address, owner in promised(facts).items() if owner == guest)
    why = f"attached on {host} by nfvcap: {', '.join(by_nfvcap) or 'nothing'}"
    if by_others:
        why += f"; {guest} has {', '.join(by_others)} by its own definition"
    return UsageError(
        "NFV-ATTACH-016", f"guest {guest} has no VF{vf} that nfvcap attached", why,
        "what others gave to a guest is theirs to take away (virsh detach-device)",
    )  # fmt: skip
