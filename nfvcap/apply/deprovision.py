# SPDX-License-Identifier: Apache-2.0
"""The way back: what the ledger of a host has, is restored; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.apply.provision import Batch, Stage, silent
from nfvcap.apply.room import REBOOT_TIMEOUT_S
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.model.facts import Facts
from nfvcap.planner.previous import Previous
from nfvcap.planner.query import FACTS_QUERY
from nfvcap.planner.tokens import settings

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
    batch = _heard(facts_reader.decode(outcome, target.hosts), target.hosts, Stage.RESTORE)
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


def reboot(target: Target, hosts: tuple[str, ...], on_event: Callable[[Event], None]) -> Batch[Facts]:
    """Reboot these hosts once, and read them anew."""
    outcome = run_playbooks(
        ["reboot", "facts"], replace(target, hosts=hosts),
        variables={"nfvcap_reboot_timeout_s": REBOOT_TIMEOUT_S, "nfvcap_query": FACTS_QUERY},
        timeout_s=_TIMEOUT_S, on_event=on_event,
    )  # fmt: skip
    return _heard(facts_reader.decode(outcome, hosts), hosts, Stage.REBOOT)


def did_not_go(host: str, before: Facts, after: Facts) -> NfvcapError | None:
    """The error for a host whose reboot did not free it of what was taken away; None when it did.

    Args:
        before: the host before it was restored, with its ledger.
        after: the host after its one reboot; it is not rebooted again, whatever is found.
    """
    running = set(settings(after.cmdline.running))
    left = [token for one in settings(Previous(before).kernel_args) if one in running for token in one.tokens]
    if not left:
        return None
    return NfvcapError(
        "NFV-BOOT-107",
        f"{host}: kernel arguments that were taken away still run after the reboot: {' '.join(left)}",
        f"the running command line is: {after.cmdline.running.strip()}",
        "another boot entry may be the default, the boot loader may read another configuration, or the machine may "
        f"boot over the network; they were taken out of {after.cmdline.config_source or 'no file that is known'}",
        ExitCode.CHECK_FAILED,
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


def _heard(batch: Batch[Facts], hosts: tuple[str, ...], stage: Stage) -> Batch[Facts]:
    """A host that was not read back is a failure: nobody knows what became of it."""
    quiet = [host for host in hosts if host not in batch.values and host not in batch.failures]
    return Batch(batch.values, {**batch.failures, **{host: silent(stage, host) for host in quiet}})


def _left(host: str, entries: tuple[Original, ...]) -> NfvcapError:
    return NfvcapError(
        "NFV-RUN-012",
        f"{host}: not everything was restored",
        "still in the ledger: " + ", ".join(entry.id for entry in entries),
        "read the log of the run, remove the cause and run the same command again",
        ExitCode.CHECK_FAILED,
    )
