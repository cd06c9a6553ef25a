# SPDX-License-Identifier: Apache-2.0
"""The way back: what the ledger of a host has, is restored; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.apply.room import REBOOT_TIMEOUT_S
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.planner.query import FACTS_QUERY

_TIMEOUT_S = 1800.0
_BOOT_KIND = "kernel-args"


@dataclass(frozen=True)
class Original:
    """One entry of the ledger."""

    id: str
    kind: str
    before: Any
    recorded_at: str


def originals(facts: Facts) -> tuple[Original, ...]:
    """What will be restored, in the order in which that happens: the last change first."""
    entries: Mapping[str, Mapping[str, Any]] = (facts.ledger or {}).get("entries", {})
    found = [
        Original(key, str(entry.get("kind", "")), entry.get("before"), str(entry.get("recorded_at", "")))
        for key, entry in entries.items()
    ]
    return tuple(reversed(found))


def touches_boot(entries: tuple[Original, ...]) -> bool:
    """May restoring these need a reboot? The module that restores them knows for certain afterwards."""
    return any(entry.kind == _BOOT_KIND for entry in entries)


@dataclass(frozen=True)
class Restored:
    """What a run of restoring gave.

    Attributes:
        failures: hosts that are not restored, or not wholly.
        wanting: hosts that run with their old kernel arguments until they are rebooted.
        left_packages: packages that came by nfvcap and stay, by host.
    """

    failures: dict[str, NfvcapError]
    wanting: tuple[str, ...]
    left_packages: dict[str, tuple[str, ...]]


def restore(target: Target, remove_packages: bool, on_event: Callable[[Event], None], who: str) -> Restored:
    """Restore the target's hosts in the name of ``who``, and read them anew to see that nothing is left to restore."""
    outcome = run_playbooks(
        ["deprovision", "facts"], target,
        variables={"nfvcap_query": FACTS_QUERY, "nfvcap_remove_packages": remove_packages, "nfvcap_who": who},
        timeout_s=_TIMEOUT_S, on_event=on_event,
    )  # fmt: skip
    batch = facts_reader.decode(outcome, target.hosts)
    failures = dict(batch.failures)
    for host, facts in batch.values.items():
        if originals(facts):
            failures[host] = _left(host, originals(facts))
    good = [host for host in target.hosts if host not in failures]
    packages = {host: tuple(outcome.data(host, "left_packages") or ()) for host in good}
    return Restored(
        failures,
        tuple(host for host in good if outcome.data(host, "reboot_required")),
        {host: names for host, names in packages.items() if names},
    )


def reboot(target: Target, hosts: tuple[str, ...], on_event: Callable[[Event], None]) -> Outcome:
    """Reboot these hosts once."""
    variables = {"nfvcap_reboot_timeout_s": REBOOT_TIMEOUT_S}
    return run_playbooks(
        ["reboot"], replace(target, hosts=hosts), variables=variables, timeout_s=_TIMEOUT_S, on_event=on_event
    )


def still_to_reboot(host: str) -> NfvcapError:
    """The statement for a host that was restored and still runs with what it booted with."""
    return NfvcapError(
        "NFV-BOOT-106",
        f"{host} is restored, but runs with the kernel arguments of its last boot until it is rebooted",
        "the reboot was not allowed",
        "reboot it when it suits",
        ExitCode.REBOOT_REQUIRED,
    )


def _left(host: str, entries: tuple[Original, ...]) -> NfvcapError:
    return NfvcapError(
        "NFV-RUN-012",
        f"{host}: not everything was restored",
        "still in the ledger: " + ", ".join(entry.id for entry in entries),
        "read the log of the run, remove the cause and run the same command again",
        ExitCode.CHECK_FAILED,
    )
