# SPDX-License-Identifier: Apache-2.0
"""What an interrupted attach or detach has left is settled by the next nfvcap that changes the host, whatever it does.

Also settled: attachments that ended without nfvcap, because the guest that had the VF only while it ran has stopped,
or somebody took the VF out of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from . import nfvcap_attachmirror, nfvcap_attachsteps  # noqa: F401 - they register the steps
from .nfvcap_attachment import ATTACHED, ATTACHING, entries, words
from .nfvcap_failure import Failure
from .nfvcap_guests import devices_of_guests
from .nfvcap_host import Host
from .nfvcap_hypervisor import Hypervisor
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome
from .nfvcap_transaction import Work, unwind

TIMEOUT_S = 60.0


def settle(host: Host, outcome: Outcome, leave: Collection[str] = ()) -> None:
    """Undo interrupted attaches, complete interrupted detaches, free what a guest no longer has; say each.

    Args:
        leave: entries that the caller deals with itself.

    Raises:
        Failure: NFV-ATTACH-019 something could not be settled; nothing else should be changed on top of it.
    """
    ledger = Ledger(host)
    todo = [(name, dict(entry)) for name, entry in entries(ledger) if name not in leave and not _in_order(host, entry)]
    if not todo:
        return
    hypervisor = Hypervisor(host)
    try:
        for name, entry in todo:
            work = Work(host, ledger, name, hypervisor, TIMEOUT_S)
            work.who = _who(entry)
            _settle(work, entry, outcome)
    finally:
        hypervisor.close()


def unsettled(host: Host) -> list[str]:
    """What :func:`settle` would deal with, for a run that only looks."""
    return [_told(entry) for _, entry in entries(Ledger(host)) if not _in_order(host, entry)]


def _settle(work: Work, entry: dict[str, Any], outcome: Outcome) -> None:
    outcome.begun = True
    try:
        unwind(work)
    except Failure as failure:
        raise Failure(
            "NFV-ATTACH-019",
            f"{_told(entry)} is not settled yet",
            f"{failure.what}: {failure.why}",
            f"{failure.fix}; or `nfvcap detach-vf {entry['guest']['name']} --vf {entry['address']} --force`",
        ) from failure
    outcome.add(work.name, _told(entry), "settled: everything is as before")
    outcome.notes += [f"{_told(entry)}: {_done(entry)}", *work.notes]


def _in_order(host: Host, entry: dict[str, Any]) -> bool:
    if entry["state"] != ATTACHED:
        return False
    return entry["address"] in devices_of_guests(host).get(entry["guest"]["uuid"], ())


def _told(entry: dict[str, Any]) -> str:
    if entry["state"] == ATTACHED:
        return f"the attachment of {words(entry)} that ended without nfvcap"
    verb = "attach" if entry["state"] == ATTACHING else "detach"
    who = f"begun {entry['recorded_at']} by {entry['by']}" if verb == "attach" else f"by {_who(entry) or 'somebody'}"
    last = entry["begun"][-1] if entry["begun"] else "its first"
    return f"an interrupted {verb} of {words(entry)} ({who}, at step {last})"


def _who(entry: dict[str, Any]) -> str:
    """In whose name it is settled: of whoever was interrupted; a guest that left by itself asked nobody."""
    if entry["state"] == ATTACHED:
        return "nfvcap"
    return str(entry["by"] if entry["state"] == ATTACHING else entry.get("detached_by", ""))


def _done(entry: dict[str, Any]) -> str:
    if entry["state"] == ATTACHED:
        return "the VF is what it was before, and free"
    return "was undone" if entry["state"] == ATTACHING else "was completed"
