# SPDX-License-Identifier: Apache-2.0
"""A VF that is, becomes, or ceases to be attached to a guest: one entry of the ledger, and who it belongs to.

The entry ``attach:PF:INDEX`` is the undo log: it is written before anything is touched, holds what the VF was
(``before``), all that undoing needs, and which steps have begun (``begun``). It leaves the ledger when the VF is what
it was. Its ``state`` tells the next program what to do with it::

    attaching   was interrupted: every step that has begun is undone
    attached    as it should be
    detaching   was interrupted: is completed
"""

from __future__ import annotations

from typing import Any

from .nfvcap_ledger import Ledger

KIND = "attach"
ATTACHING, ATTACHED, DETACHING = "attaching", "attached", "detaching"


def entry_id(pf: str, index: int) -> str:
    """Id of a VF's entry, by PF and index: the VF's own address may change when VFs are made anew."""
    return f"{KIND}:{pf}:{index}"


def alias_of(pf: str, index: int) -> str:
    """The device's name in the guest's definition; libvirt keeps names that begin with ``ua-``."""
    return f"ua-nfvcap-{pf.replace(':', '-').replace('.', '-')}-vf{index}"


def entries(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """All attachments in the order of their recording."""
    return ledger.of_kind(KIND)


def words(entry: dict[str, Any]) -> str:
    """An attachment for people."""
    return f"VF {entry['index']} of {entry['pf']} ({entry['address']}) in guest {entry['guest']['name']}"
