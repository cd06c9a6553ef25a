# SPDX-License-Identifier: Apache-2.0
"""Mirror rules on hosts: one playbook, and what it told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nfvcap.apply.ansible import Outcome, Target, run_playbooks
from nfvcap.apply.events import Event

_TIMEOUT_S = 600.0


def apply(
    target: Target, request: Mapping[str, Any], *, check: bool = False,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Outcome:  # fmt: skip
    """Set, remove or list rules; ``request`` has the parameters of the module nfvcap_mirror."""
    variables = {"nfvcap_mirror_request": dict(request)}
    return run_playbooks(["mirror"], target, variables=variables, timeout_s=_TIMEOUT_S, check=check, on_event=on_event)


def ears(target: Target, parameters: Mapping[str, Any]) -> Outcome:
    """Listen at places of hosts, or count what was heard; the parameters of the module nfvcap_ears."""
    return run_playbooks(["ears"], target, variables={"nfvcap_ears": dict(parameters)}, timeout_s=_TIMEOUT_S)
