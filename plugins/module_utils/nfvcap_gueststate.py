# SPDX-License-Identifier: Apache-2.0
"""Guests started and stopped, whoever has made them."""

from __future__ import annotations

import time
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_libvirt import binding, domain, failed
from .nfvcap_outcome import Outcome

STATES = {1: "running", 2: "blocked", 3: "paused", 4: "stopping", 5: "off", 6: "crashed", 7: "suspended"}
# Who has not heard the first request (still booting) is asked again.
_ASK_AGAIN_S = 10.0


def state_of(found: Any) -> str:
    """The guest's state in a word."""
    return STATES.get(found.state()[0], "unknown")


def start(connection: Any, name: str, outcome: Outcome, check: bool) -> None:
    """Start a guest that does not run, or resume one that is paused.

    Raises:
        Failure: NFV-GUEST-003 no such guest, NFV-GUEST-004 with QEMU's own words.
    """
    libvirt, found = binding(), domain(connection, name)
    before = state_of(found)
    if before in ("running", "blocked"):
        return
    outcome.add(f"guest:{name}:state", before, "running")
    if check:
        return
    outcome.begun = True
    try:
        if before == "paused":
            found.resume()
        else:
            found.create()
    except libvirt.libvirtError as error:
        raise failed(f"guest {name} does not start", error) from error


def stop(connection: Any, name: str, outcome: Outcome, check: bool, *, timeout_s: float, force: bool) -> None:
    """Ask a guest to shut down and wait until it has.

    Args:
        force: one that does not within ``timeout_s`` is ended as if its power failed.

    Raises:
        Failure: NFV-GUEST-003 no such guest, NFV-GUEST-023 it still runs.
    """
    libvirt, found = binding(), domain(connection, name)
    if not found.isActive():
        return
    outcome.add(f"guest:{name}:state", state_of(found), "off")
    if check:
        return
    outcome.begun = True
    deadline, asked = time.monotonic() + timeout_s, 0.0
    while found.isActive() and time.monotonic() < deadline:
        if time.monotonic() - asked > _ASK_AGAIN_S:
            _ask(libvirt, found)
            asked = time.monotonic()
        time.sleep(0.2)
    if not found.isActive():
        return
    if not force:
        raise Failure(
            "NFV-GUEST-023",
            f"guest {name} has not stopped within {timeout_s:g} s",
            "it was asked through its agent or its power button, and still runs",
            "look at its console, or add --force: it is then ended as if its power failed, unwritten data is lost",
        )
    try:
        found.destroy()
    except libvirt.libvirtError as error:
        if found.isActive():
            raise failed(f"guest {name} could not be ended", error) from error


def _ask(libvirt: Any, found: Any) -> None:
    """Through the agent when one answers, else by the power button, else as libvirt likes; none is no failure."""
    for way in (libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, 0):
        try:
            found.shutdownFlags(way)
        except libvirt.libvirtError:
            continue
        return
