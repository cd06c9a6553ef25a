# SPDX-License-Identifier: Apache-2.0
"""Does the guest itself have the device? Asked through whatever answers in it, and told through which."""

from __future__ import annotations

from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hypervisor import Guest

CHANNEL = "QEMU guest agent"
# An agent that has not answered by then is not there, or its guest is still booting.
_FIRST_ANSWER_S = 20.0
# A device without an interface may still get one; a driver that makes none (vfio-pci) is found by the device alone.
_INTERFACE_S = 15.0


def devices(guest: Guest) -> list[str] | None:
    """PCI addresses of the guest's devices, told by itself; None when it cannot be asked."""
    if not guest.agent.answers():
        return None
    try:
        return sorted(guest.agent.pci_devices())
    except Failure:
        return None


def look(host: Host, guest: Guest, mac: str, before: list[str] | None, timeout_s: float) -> dict[str, Any] | None:
    """Wait until the guest shows an interface with this MAC address, or else a PCI device that it did not have.

    Args:
        before: the guest's PCI devices before the hot plug, if it could be asked.

    Returns:
        ``channel``, ``name`` (of the interface, None without one), ``address`` (PCI address in the guest, None if not
        told) and ``driver``; None: nobody answers in the guest.

    Raises:
        Failure: NFV-ATTACH-013 somebody answered, and the guest has no such device in time.
    """
    if not host.wait_until(guest.agent.answers, min(timeout_s, _FIRST_ANSWER_S), 0.5):
        return None
    eye = _Eye(guest, mac, before)
    began = host.now_s()

    def settled() -> bool:
        eye.look()
        return eye.interface is not None or (eye.device is not None and host.now_s() - began >= _INTERFACE_S)

    host.wait_until(settled, timeout_s, 0.5)
    if eye.interface is not None:
        one = eye.interface
        return {"channel": CHANNEL, "name": one["name"], "address": one["pci"], "driver": None}
    if eye.device is not None:
        address, driver = eye.device
        return {"channel": CHANNEL, "name": None, "address": address, "driver": driver or None}
    raise Failure(
        "NFV-ATTACH-013",
        f"guest {guest.name} does not see the device",
        f"asked through its {CHANNEL} for {timeout_s:g} s, it has {', '.join(eye.names) or 'no interfaces'} and none"
        f" with the address {mac}",
        "has it a driver for the VF, and does it take hot plug? See `dmesg` in the guest",
    )


class _Eye:
    """What the guest says now; a single question that fails (a busy guest) is asked again."""

    def __init__(self, guest: Guest, mac: str, before: list[str] | None) -> None:
        self._guest, self._mac, self._before = guest, mac.lower(), before
        self.interface: dict[str, Any] | None = None
        self.device: tuple[str, str] | None = None
        self.names: list[str] = []

    def look(self) -> None:
        try:
            interfaces = self._guest.agent.interfaces()
            self.names = [str(one["name"]) for one in interfaces]
            mine = [one for one in interfaces if str(one["mac"]).lower() == self._mac]
            self.interface = mine[0] if mine else None
            if self.interface is None and self._before is not None:
                now = self._guest.agent.pci_devices()
                new = sorted(set(now) - set(self._before))
                self.device = (new[0], now[new[0]]) if new else None
        except Failure:
            return
