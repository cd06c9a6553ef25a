# SPDX-License-Identifier: Apache-2.0
"""Guests changed and looked at on their hosts: one playbook each, one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nfvcap.apply.ansible import Outcome, Target, run_playbooks

# Room for ssh, and for the start of QEMU on a slow host.
_OVERHEAD_S = 300.0
KEY = "nfvcap_guests"


def change(target: Target, document: Mapping[str, Any], *, check: bool = False) -> Outcome:
    """Apply a document of schema nfvcap/guests/1."""
    longest_s = sum(guest.get("timeout_s", 0) for guests in document["nfvcap_guests"].values() for guest in guests)
    timeout_s = _OVERHEAD_S + longest_s + document["nfvcap_guests_wait_s"]
    return run_playbooks(["guest"], target, variables=document, timeout_s=timeout_s, check=check)


def look(target: Target, names: Sequence[str] = ()) -> Outcome:
    """See what the guests are, have and see; their agents are asked once and not waited for."""
    return run_playbooks(["guest_info"], target, variables={"nfvcap_guest_names": list(names)}, timeout_s=_OVERHEAD_S)


def seen(outcome: Outcome, host: str) -> list[dict[str, Any]]:
    """The guests of a host that a run has looked at."""
    return list(outcome.data(host, KEY) or [])
