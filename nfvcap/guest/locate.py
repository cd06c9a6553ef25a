# SPDX-License-Identifier: Apache-2.0
"""On which host a guest of the inventory is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from nfvcap.errors import UsageError
from nfvcap.model.intent import Intent


def host_of(guest: str, intents: Mapping[str, Intent]) -> str:
    """The one host whose inventory names the guest.

    Raises:
        UsageError: NFV-GUEST-005 no host has it, NFV-GUEST-006 several have one of that name.
    """
    found = [host for host, intent in intents.items() if guest in intent.guests]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            "NFV-GUEST-006",
            f"several hosts have a guest {guest}",
            f"{', '.join(found)}",
            f"say which: --host {found[0]}",
        )
    known = sorted({name for intent in intents.values() for name in intent.guests})
    raise UsageError(
        "NFV-GUEST-005",
        f"no host of the inventory has a guest {guest}",
        f"selected were {', '.join(intents) or 'no hosts at all'}; their guests: {', '.join(known) or 'none'}",
        _meant(guest, known),
    )


def _meant(guest: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(guest, list(known), n=1)
    return f"did you mean {near[0]}?" if near else "add it under guests: of its host"
