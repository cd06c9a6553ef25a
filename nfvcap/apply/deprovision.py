# SPDX-License-Identifier: Apache-2.0
"""The way back: what the ledger of a host has, is restored; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.apply.provision import Batch
from nfvcap.apply.room import REBOOT_TIMEOUT_S
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.planner.query import FACTS_QUERY

_TIMEOUT_S = 1800.0
_BOOT_KINDS = {"kernel-args", "bootloader", "grub"}
_BOOT_PATHS = ("/etc/default/grub",)


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
    return any(entry.kind in _BOOT_KINDS or any(path in entry.id for path in _BOOT_PATHS) for entry in entries)


def restore(target: Target, on_event: Callable[[Event], None]) -> tuple[Batch[Facts], tuple[str, ...]]:
    """Restore the target's hosts; returns their facts afterwards and those that want a reboot."""
    outcome = run_playbooks(
        ["deprovision", "facts"], target,
        variables={"nfvcap_query": FACTS_QUERY}, timeout_s=_TIMEOUT_S, on_event=on_event,
    )  # fmt: skip
    batch = facts_reader.decode(outcome, target.hosts)
    failures = dict(batch.failures)
    for host, facts in batch.values.items():
        if originals(facts):
            failures[host] = _left(host, originals(facts))
    wanting = tuple(host for host in target.hosts if host not in failures and outcome.data(host, "reboot_required"))
    return Batch({host: facts for host, facts in batch.values.items() if host not in failures}, failures), wanting


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
