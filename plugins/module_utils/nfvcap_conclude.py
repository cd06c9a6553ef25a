# SPDX-License-Identifier: Apache-2.0
"""The few lines that all changing modules share: lock the host, settle what was interrupted, work, report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .nfvcap_attachsettle import settle, unsettled
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_lock import WAIT_S, HostLock
from .nfvcap_outcome import Outcome, unforeseen


def conclude(
    module: Any,
    name: str,
    work: Callable[[Host, Outcome, bool], None],
    *,
    settles: bool = True,
    locks: bool = True,
    wait_s: float = WAIT_S,
) -> None:
    """Run ``work(host, outcome, check)`` under the host's lock and end the Ansible module with its outcome.

    Args:
        module: the AnsibleModule; its parameter ``root`` says where the host's tree is.
        name: who holds the lock, for people.
        settles: what an interrupted attach or detach has left is settled first; False: ``work`` sees to that itself.
        locks: False for work that takes its time and touches nothing that nfvcap keeps: nobody has to wait for it.
        wait_s: how long to wait for somebody else's lock.
    """
    host, outcome = Host(module.params["root"]), Outcome()
    try:
        if module.check_mode:
            outcome.notes += unsettled(host) if settles else []
            work(host, outcome, True)
        elif not locks:
            work(host, outcome, False)
        else:
            with HostLock(host, name, wait_s):
                if settles:
                    settle(host, outcome)
                work(host, outcome, False)
    except (Failure, OSError) as error:
        failure = error if isinstance(error, Failure) else unforeseen(error)
        module.fail_json(
            msg=str(failure), nfvcap_error=failure.as_dict(), nfvcap_notes=outcome.notes, changed=outcome.begun
        )
    module.exit_json(**outcome.result())
