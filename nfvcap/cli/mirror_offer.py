# SPDX-License-Identifier: Apache-2.0
"""What would be copied is said before anything is: a host is asked in check mode first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nfvcap.apply import mirror as applying
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.cli import mirror_view
from nfvcap.cli.output import paint, say
from nfvcap.model.attach import MirrorOffer


def foretell(target: Target, ask: Callable[[], Outcome]) -> Outcome:
    """What one host says in check mode.

    Something that was interrupted can stand in the way, and the command itself would settle that first. So when the
    host refuses and tells of such a thing, it is settled now, and the host is asked again.

    Raises:
        NfvcapError: what the host refuses with.
    """
    (host,) = target.hosts
    outcome = ask()
    if host in outcome.failures and outcome.data(host, "nfvcap_notes"):
        settled = applying.apply(target, {"state": "list"})
        for note in settled.data(host, "nfvcap_notes") or ():
            say(f"  {paint('!', 'WARN')} {note}")
        if host in settled.failures:
            raise settled.failures[host]
        outcome = ask()
    if host in outcome.failures:
        raise outcome.failures[host]
    return outcome


def offered(outcome: Outcome, host: str) -> dict[str, Any] | None:
    """The offer without what only the mechanism needs; None when there is none, because the rule stands."""
    found: Mapping[str, Any] | None = outcome.data(host, "offer")
    return {key: found[key] for key in MirrorOffer.model_fields} if found else None


def tell(
    show: Callable[[str], None], words: str, outcome: Outcome, host: str, said: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Show the offer, unless it is the one that was ``said`` before; returns it."""
    found = offered(outcome, host)
    if found and found != said:
        if said:
            say("the host has changed meanwhile:")
        for line in mirror_view.offer(words, found, outcome.data(host, "refusals") or []):
            show(line)
    return found
