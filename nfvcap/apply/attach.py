# SPDX-License-Identifier: Apache-2.0
"""Attach and detach on a host: one playbook with one task, one round trip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event
from nfvcap.model.attach import Attach

# Room for ssh, the lock of somebody else's run, and a guest that has to be waited for twice (do, then undo).
_OVERHEAD_S = 600.0


def attach(
    target: Target, document: Attach, *, check: bool, on_event: Callable[[Event], None] = lambda _event: None
) -> Outcome:
    """Apply a document; with ``check`` the hosts only say whether they would, and what would change."""
    longest_s = max((one.timeout_s for one in document.nfvcap_attach.values()), default=0.0)
    variables = document.model_dump(mode="json", by_alias=True)
    return run_playbooks(
        ["attach"], target, variables=variables, timeout_s=_OVERHEAD_S + 3 * longest_s, check=check, on_event=on_event
    )


def detach(
    target: Target, wishes: dict[str, dict[str, Any]], *, check: bool,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Outcome:  # fmt: skip
    """Detach VFs.

    Args:
        wishes: host → guest, vf (PCI address), force, timeout_s, by.
    """
    longest_s = max((float(wish["timeout_s"]) for wish in wishes.values()), default=0.0)
    return run_playbooks(
        ["detach"], target, variables={"nfvcap_detach": wishes}, timeout_s=_OVERHEAD_S + 3 * longest_s, check=check,
        on_event=on_event,
    )  # fmt: skip
