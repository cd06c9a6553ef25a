# SPDX-License-Identifier: Apache-2.0
"""Steps that are done in order and undone backwards, with the undo log in the host's ledger.

A step is known by its name, and all that it needs stands in the attachment's entry. So whoever finds the entry can
undo the step: the process that failed, or the next one after a kill or a power cut. ``undo`` may meet a step that was
not done, half done, or undone already; it looks before it touches.

A further kind of step (a mirror rule, for instance) is one class and one call of :func:`register`; whoever asks for
the attachment puts its name into ``steps``, and what it needs into the entry.
"""

from __future__ import annotations

from typing import Any, Protocol

from .nfvcap_attachment import ATTACHED, ATTACHING, DETACHING, entry_id
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hypervisor import Hypervisor
from .nfvcap_ledger import Ledger


class Work:
    """One attachment under way.

    Attributes:
        entry: the ledger's entry, as it is on disk.
        notes: for people: what could not be made exact, what was found on the way.
        found: results for the caller, such as the device's name in the guest.
        devices_before: what the guest had before the hot plug, by its own word; None: it could not be asked.
        who: who does or undoes it, for records; at first who asked for the attachment.
        timeout_s: how long a guest may take to see, or to release, the device.
    """

    def __init__(self, host: Host, ledger: Ledger, name: str, hypervisor: Hypervisor, timeout_s: float) -> None:
        self.host, self.ledger, self.name, self.hypervisor = host, ledger, name, hypervisor
        self.timeout_s = timeout_s
        self.force = False
        self.who = str(self.entry.get("by", ""))
        self.devices_before: list[str] | None = None
        self.notes: list[str] = []
        self.found: dict[str, Any] = {}

    @property
    def entry(self) -> dict[str, Any]:
        return self.ledger.entry(self.name) or {}

    def note(self, key: str, value: Any) -> None:
        """Keep something in the entry that undoing will need; on disk when the call returns."""
        self.ledger.note(self.name, key, value)


class Step(Protocol):
    """One part of an attachment that can be undone.

    Attributes:
        changes: False for a step that only looks; undoing it undoes nothing.
    """

    name: str
    changes: bool

    def do(self, work: Work) -> None:
        """Change, and read back.

        Raises:
            Failure, OSError: the step is not (wholly) done; ``undo`` will be called.
        """

    def undo(self, work: Work) -> None:
        """Bring back what was there before; nothing to do is no error.

        Raises:
            Failure, OSError: it is not back.
        """


STEPS: dict[str, Step] = {}


def register(step: Step) -> None:
    """Make a kind of step known."""
    STEPS[step.name] = step


def begin(ledger: Ledger, entry: dict[str, Any], before: dict[str, Any]) -> str:
    """Write the undo log, before anything is touched; returns the entry's id."""
    name = entry_id(entry["pf"], entry["index"])
    ledger.record(name, "attach", before, **{**entry, "state": ATTACHING, "begun": []})
    return name


def run(work: Work) -> None:
    """Do all steps; when one fails, undo all that have begun.

    Raises:
        Failure: why the step failed, and what became of the others. When everything is as before, the entry is gone.
    """
    for step in work.entry["steps"]:
        work.note("begun", [*work.entry["begun"], step])
        try:
            STEPS[step].do(work)
        except (Failure, OSError) as error:
            raise _undone(work, step, _as_failure(error, step)) from error
    work.note("state", ATTACHED)


def unwind(work: Work) -> None:
    """Undo all that has begun, the last first, and take the entry out of the ledger.

    Raises:
        Failure: a step could not be undone. It and those before it stay noted, so that a later run goes on there.
    """
    work.note("state", DETACHING)
    for step in reversed(work.entry["begun"]):
        try:
            STEPS[step].undo(work)
        except OSError as error:
            raise _as_failure(error, step) from error
        work.note("begun", work.entry["begun"][:-1])
    work.ledger.remove(work.name)


def resume(work: Work) -> None:
    """After an :func:`unwind` that a guest stopped: do again what was undone, so that all is attached as before.

    Raises:
        Failure: what doing a step raises; the attachment then stays to be unwound.
    """
    entry = work.entry
    for step in entry["steps"][len(entry["begun"]) :]:
        work.note("begun", [*work.entry["begun"], step])
        if STEPS[step].changes:
            STEPS[step].do(work)
    work.note("state", ATTACHED)


def _as_failure(error: Exception, step: str) -> Failure:
    if isinstance(error, Failure):
        return error
    return Failure(
        "NFV-ATTACH-022",
        f"the step '{step}' met a refusal of the operating system",
        str(error),
        "see `dmesg` on the host",
    )


def _undone(work: Work, step: str, failure: Failure) -> Failure:
    """The failure with what undoing gave; nothing is hidden when undoing fails, too."""
    told = Failure(failure.code, failure.what, failure.why, failure.fix)
    try:
        unwind(work)
    except Failure as second:
        told.why = f"{told.why}; undoing stopped at: {second.what} ({second.why})" if told.why else second.what
        told.fix = (
            f"{second.fix}; the ledger keeps what is left to undo, and the next nfvcap on this host goes on with it"
        )
        return told
    told.why = f"{told.why}; step '{step}' and everything before it was undone".lstrip("; ")
    if work.notes:
        told.why += "; " + "; ".join(work.notes)
    return told
