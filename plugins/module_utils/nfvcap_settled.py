# SPDX-License-Identifier: Apache-2.0
"""A machine that has just booted is not yet what it will be: nfvcap's own units set pages and VFs for some seconds."""

from __future__ import annotations

import time

from .nfvcap_machine import Machine

LIMIT_S = 120.0
_PAUSE_S = 0.5
_UNITS = "/etc/systemd/system"
_JOBS = ["systemctl", "list-jobs", "--no-legend", "--plain", "nfvcap-*"]


def wait_for_own_units(machine: Machine, limit_s: float = LIMIT_S) -> None:
    """Return when systemd has no job for a unit of nfvcap any more; a problem of the machine when that takes longer.

    Args:
        limit_s: how long to wait.
    """
    if not any(name.startswith("nfvcap-") for name in machine.listdir(_UNITS)):
        return
    deadline = time.monotonic() + limit_s
    while jobs := _jobs(machine):
        if time.monotonic() >= deadline:
            machine.problem(f"{', '.join(jobs)} still to be done: what nfvcap sets at boot may not be there yet")
            return
        time.sleep(_PAUSE_S)


def _jobs(machine: Machine) -> list[str]:
    """``start nfvcap-sriov.service`` and the like; none where systemd does not answer."""
    done = machine.run(_JOBS)
    rows = [line.split() for line in done.stdout.splitlines()] if done.ok else []
    return [f"{row[2]} {row[1]}" for row in rows if len(row) >= 3 and row[1].startswith("nfvcap-")]
