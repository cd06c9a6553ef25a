# SPDX-License-Identifier: Apache-2.0
"""A virtual NIC that a guest has for the length of a block: one playbook before it, one behind it, in every case."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nfvcap.apply.ansible import Target, run_playbooks
from nfvcap.errors import NfvcapError

# Room for ssh and the lock of somebody else's run beside what the guest may take.
_OVERHEAD_S = 300.0
_RELEASE_S = 60.0
KIND = "guest-nic"
"""Of entries in a host's ledger."""


def plug(target: Target, host: str, *, guest: str, pf: str, model: str, mac: str, by: str) -> None:
    """Give a running guest the NIC; see the module nfvcap_guest_nic.

    Raises:
        NfvcapError: the guest does not have it.
    """
    _run(target, host, {"state": "plugged", "guest": guest, "pf": pf, "model": model, "mac": mac, "by": by})


def unplug(target: Target, host: str) -> None:
    """Take such NICs out of the host's guests, and do not be interrupted in it.

    Raises:
        NfvcapError: NFV-GUEST-040 a guest does not release it; Ansible's own.
    """
    with _undisturbed():
        _run(target, host, {"state": "unplugged"})


def _run(target: Target, host: str, request: dict[str, Any]) -> None:
    variables = {"nfvcap_guest_nic_request": {**request, "timeout_s": _RELEASE_S}}
    outcome = run_playbooks(["guest_nic"], target, variables=variables, timeout_s=_OVERHEAD_S + 2 * _RELEASE_S)
    error: NfvcapError | None = outcome.failures.get(host)
    if error is not None:
        raise error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave behind what the first one has us put in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
