# SPDX-License-Identifier: Apache-2.0
"""Does the guest itself have the device? Asked through whatever answers in it, and told through which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hypervisor import Guest

# A channel that has not answered by then has nobody at its other end; a guest may just be booting.
_FIRST_ANSWER_S = 20.0
Interface = dict[str, Any]


def _by_agent(_host: Host, guest: Guest) -> list[Interface] | None:
    found = guest.agent_interfaces()
    return None if found is None else [{**one, "address": None} for one in found]


# Name for people → question; asked in this order, the first that answers counts. None: nobody answers there.
CHANNELS: dict[str, Callable[[Host, Guest], list[Interface] | None]] = {"QEMU guest agent": _by_agent}


def look(host: Host, guest: Guest, mac: str, timeout_s: float) -> dict[str, Any] | None:
    """Wait until the guest shows an interface with this MAC address.

    Returns:
        ``channel``, ``name`` and ``address`` (PCI address in the guest, None if not told); None: nobody answers in it.

    Raises:
        Failure: NFV-ATTACH-013 somebody answered, and the guest has no such interface in time.
    """
    answered: dict[str, list[str]] = {}
    found: dict[str, Any] = {}

    def seen() -> bool:
        for channel, ask in CHANNELS.items():
            interfaces = ask(host, guest)
            if interfaces is None:
                continue
            answered[channel] = [str(one["name"]) for one in interfaces]
            for one in interfaces:
                if str(one["mac"]).lower() == mac.lower():
                    found.update(channel=channel, name=one["name"], address=one.get("address"))
                    return True
        return False

    first = min(timeout_s, _FIRST_ANSWER_S)
    if host.wait_until(lambda: seen() or bool(answered), first, 0.5) and not found:
        host.wait_until(seen, timeout_s, 0.5)
    if found:
        return found
    if not answered:
        return None
    channel, names = next(iter(answered.items()))
    raise Failure(
        "NFV-ATTACH-013",
        f"guest {guest.name} does not see the device",
        f"asked through its {channel} for {timeout_s:g} s, it has {', '.join(names) or 'no interfaces'} and none with"
        f" the address {mac}",
        "has it a driver for the VF, and does it take hot plug? See `dmesg` in the guest",
    )
