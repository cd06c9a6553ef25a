# SPDX-License-Identifier: Apache-2.0
"""What both mechanisms that write registers of a card share: when they may, and what a monitor that stops does."""

from __future__ import annotations

from typing import Optional

from .nfvcap_host import Host
from .nfvcap_mirror_port import Port, lockdown
from .nfvcap_mirror_rule import Refusal, Request, between_vfs

DRIVERS = ("igb", "ixgbe")
# Looking costs two register reads: a watched guest that reboots is copied again within this time.
POLL_S = 0.2


def register_refusal(name: str, host: Host, request: Request) -> Optional[Refusal]:
    """Why registers of this card must not be touched; None when they may."""
    elsewhere = between_vfs(name, request)
    if elsewhere:
        return elsewhere
    driver = Port(host, request.pf).driver
    if driver not in DRIVERS:
        return Refusal(name, f"the PF's driver is {driver or 'none'}; the registers of igb and ixgbe are known")
    if not request.may_registers:
        return Refusal(
            name, "it writes registers of the card behind its driver's back, which needs consent",
            "say `mirror: {registers: true}` in the inventory of this host",
        )  # fmt: skip
    mode = lockdown(host)
    if mode != "none":
        return Refusal(
            name, f"the kernel is locked down ({mode}): registers are out of reach, and should be",
            "a backend without registers, or boot without lockdown",
        )  # fmt: skip
    return None


def isolation(driver: str) -> str:
    """What becomes of the watched guest when the monitor stops."""
    return f"{driver} switches queue drop on for every VF: a monitor that stops loses its own copies only"
