# SPDX-License-Identifier: Apache-2.0
"""Attach a VF to a guest, and detach it: what was chosen elsewhere is checked against the host as it is, and done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .nfvcap_attachment import KIND, alias_of, entries, entry_id, words
from .nfvcap_attachmirror import request_of
from .nfvcap_attachrefuse import refuse_attach
from .nfvcap_attachsettle import settle, unsettled
from .nfvcap_attachsteps import has_live
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hypervisor import Hypervisor
from .nfvcap_ledger import Ledger
from .nfvcap_mirror import add_rule
from .nfvcap_outcome import Outcome
from .nfvcap_sriov import read_pfs
from .nfvcap_transaction import Work, begin, resume, run, unwind
from .nfvcap_vfattr import ATTRIBUTES, VfWanted, differing


@dataclass(frozen=True)
class Request:
    """What the controller chose. ``wanted`` has administrative attributes; None leaves one alone."""

    guest: str
    uuid: str
    pf: str
    index: int
    address: str
    mac: str
    wanted: dict[str, Any]
    live: bool
    config: bool
    by: str
    timeout_s: float
    mirror: dict[str, Any] | None = None  # copies of others' frames that the guest gets


def attach(host: Host, request: Request, outcome: Outcome, check: bool) -> None:
    """Make the VF the guest's, wholly or not at all.

    Raises:
        Failure: NFV-ATTACH-…, NFV-DRV-…, NFV-VF-…; refusals come before anything is touched, and after any later
            failure the host is as it was (or the message says what is not).
    """
    if check:
        outcome.notes += unsettled(host)
    else:
        settle(host, outcome)
    nics, hypervisor = read_pfs(host), Hypervisor(host)
    try:
        vf = refuse_attach(host, nics, hypervisor, request)
        entry = _entry(request, vf)
        _foretell(entry, vf, outcome)
        if entry.get("mirror"):
            # Asked before anything is touched: what no mechanism does is refused here.
            add_rule(host, request_of(entry), outcome, True)
        if check:
            return
        before = {key: vf[key] for key in ("address", *ATTRIBUTES, "driver", "driver_override")}
        ledger = Ledger(host)
        outcome.begun = True
        work = Work(host, ledger, begin(ledger, entry, before), hypervisor, request.timeout_s)
        try:
            run(work)
        finally:
            outcome.notes += work.notes
        outcome.extra["nfvcap_attached"] = {
            **{key: work.entry[key] for key in ("pf", "index", "address", "guest", "mac", "wanted", "live", "config")},
            **work.found,
        }
    finally:
        hypervisor.close()


def _entry(request: Request, vf: dict[str, Any]) -> dict[str, Any]:
    wanted = {name: value for name, value in request.wanted.items() if value is not None}
    steps = ["vf", *(["config"] if request.config else []), *(["live", "sight"] if request.live else [])]
    return {
        **({"mirror": request.mirror} if request.mirror else {}),
        "pf": request.pf,
        "index": request.index,
        "address": vf["address"],
        "guest": {"name": request.guest, "uuid": request.uuid},
        "alias": alias_of(request.pf, request.index),
        "mac": request.mac,
        "wanted": {**wanted, "mac": request.mac},
        "live": request.live,
        "config": request.config,
        "by": request.by,
        # The last: what the guest sees of its own device comes before what it sees of others.
        "steps": [*steps, "mirror"],
    }


def _foretell(entry: dict[str, Any], vf: dict[str, Any], outcome: Outcome) -> None:
    """The changes in the order in which they are made."""
    prefix = f"vf:{entry['pf']}:{entry['index']}"
    wanted = VfWanted(index=entry["index"], **entry["wanted"])
    for name, (have, want) in differing(wanted, vf).items():
        outcome.add(f"{prefix}:{name}", have, want)
    guest = entry["guest"]["name"]
    if entry["config"]:
        outcome.add(f"guest:{guest}:config", None, entry["address"])
    if entry["live"]:
        if vf["driver"] != "vfio-pci":
            outcome.add(f"{prefix}:driver", vf["driver"], "vfio-pci")
        outcome.add(f"guest:{guest}:live", None, entry["address"])


def detach(
    host: Host, guest: str, vf: str, outcome: Outcome, check: bool, *,
    timeout_s: float, force: bool = False, by: str = "",
) -> None:  # fmt: skip
    """Take VFs from a guest and make them what they were.

    Args:
        guest: name of the guest.
        vf: PCI address of the VF, or ``PF:INDEX``; "": the only one that the guest has by nfvcap.
        force: a guest that does not release the VF is powered off.
        by: who detaches it, for the records.

    Raises:
        Failure: NFV-ATTACH-016 nothing, or no single one, to detach; NFV-ATTACH-014 the guest does not release it
            (everything is as before then); NFV-ATTACH-015 something is not what it was (all else is).
    """
    name = _chosen(Ledger(host), guest, vf)
    if not check:
        settle(host, outcome, leave=(name,))
    ledger, hypervisor = Ledger(host), Hypervisor(host)
    work = Work(host, ledger, name, hypervisor, timeout_s)
    work.force = force
    entry = dict(work.entry)
    try:
        _foretell_detach(entry, hypervisor, outcome)
        if check:
            return
        outcome.begun = True
        work.who = by
        # Should this be interrupted, whoever completes it does so in this name.
        work.note("detached_by", by)
        try:
            unwind(work)
        except Failure as failure:
            _stay_attached(work, failure)
            raise
        finally:
            outcome.notes += work.notes
    finally:
        hypervisor.close()
    outcome.extra["nfvcap_detached"] = {key: entry[key] for key in ("pf", "index", "address", "guest")}


def _stay_attached(work: Work, failure: Failure) -> None:
    """A guest that keeps its VF has it wholly: what was undone before it was asked is done again."""
    if work.entry["begun"][-1:] != ["live"]:
        return
    try:
        resume(work)
    except Failure as second:
        failure.why += f"; and what had been undone by then was not done again: {second.what} ({second.why})"
    else:
        failure.why += "; it stays attached as it was"


def _foretell_detach(entry: dict[str, Any], hypervisor: Hypervisor, outcome: Outcome) -> None:
    prefix = f"vf:{entry['pf']}:{entry['index']}"
    guest = hypervisor.guest(entry["guest"]["uuid"])
    if guest is not None and has_live(guest, entry["alias"]):
        outcome.add(f"guest:{guest.name}:live", entry["address"], None)
    if entry["config"]:
        outcome.add(f"guest:{entry['guest']['name']}:config", entry["address"], None)
    for key, value in entry["wanted"].items():
        if entry["before"].get(key) != value:
            outcome.add(f"{prefix}:{key}", value, entry["before"].get(key))


def _chosen(ledger: Ledger, guest: str, vf: str) -> str:
    """The entry that is meant."""
    mine = {name: entry for name, entry in entries(ledger) if entry["guest"]["name"] == guest}
    if vf:
        wanted = {name for name, entry in mine.items() if vf in (entry["address"], f"{entry['pf']}:{entry['index']}")}
    else:
        wanted = set(mine)
    if len(wanted) == 1:
        return next(iter(wanted))
    have = "; ".join(words(entry) for entry in mine.values())
    if mine and not vf:
        raise Failure(
            "NFV-ATTACH-016", f"guest {guest} has {len(mine)} VFs by nfvcap: which one?", have, "name it with --vf"
        )
    others = "; ".join(words(entry) for _, entry in entries(ledger))
    raise Failure(
        "NFV-ATTACH-016",
        f"guest {guest} has no VF{' ' + vf if vf else ''} that nfvcap attached",
        f"attached on this host: {have or others or 'nothing'}",
        "`nfvcap status` shows who has which VF; what others gave to a guest is theirs to take away",
    )


__all__ = ["KIND", "Request", "attach", "detach", "entry_id"]
