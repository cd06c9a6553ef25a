# SPDX-License-Identifier: Apache-2.0
"""libvirt on a managed host, through the distribution's own Python binding.

The binding is imported late: all other modules work on a host that has no libvirt.
"""

from __future__ import annotations

import time
from typing import Any

from .nfvcap_failure import Failure

SYSTEM = "qemu:///system"
# A virtual machine monitor that hangs makes libvirt's calls wait for each other; nothing here waits for ever.
_CONNECT_TIMEOUT_S = 20.0


def binding() -> Any:
    """The module ``libvirt``.

    Raises:
        Failure: NFV-GUEST-001 it is not installed.
    """
    try:
        import libvirt
    except ImportError as error:
        raise Failure(
            "NFV-GUEST-001",
            "this host has no Python binding of libvirt",
            str(error),
            "provision the host with guests in its inventory, or install python3-libvirt",
        ) from error
    # What goes wrong is reported as a Failure; the library would print it as well.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


def connect(uri: str = SYSTEM) -> Any:
    """A connection (``virConnect``); close it after use.

    Raises:
        Failure: NFV-GUEST-001 no binding, NFV-GUEST-002 libvirt does not answer.
    """
    libvirt = binding()
    deadline = time.monotonic() + _CONNECT_TIMEOUT_S
    while True:
        try:
            return libvirt.open(uri)
        except libvirt.libvirtError as error:
            # Its socket may exist a moment before the daemon behind it answers.
            if time.monotonic() > deadline:
                raise Failure(
                    "NFV-GUEST-002",
                    "libvirt does not answer",
                    f"{uri}: {error}",
                    "`systemctl status libvirtd.socket libvirtd` on the host says more",
                ) from error
        time.sleep(0.5)


def find_domain(connection: Any, name: str) -> Any | None:
    """The guest (``virDomain``), running or not; None when libvirt does not know it."""
    libvirt = binding()
    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise failed(f"guest {name} could not be looked up", error) from error


def domain(connection: Any, name: str) -> Any:
    """The guest (``virDomain``).

    Raises:
        Failure: NFV-GUEST-003 libvirt does not know it.
    """
    found = find_domain(connection, name)
    if found is None:
        known = sorted(each.name() for each in connection.listAllDomains())
        raise Failure(
            "NFV-GUEST-003",
            f"there is no guest {name} on this host",
            f"libvirt knows {', '.join(known) or 'no guest at all'}",
            "correct the name, or create it: nfvcap guest create " + name,
        )
    return found


def failed(what: str, error: Exception, fix: str = "") -> Failure:
    """A refusal of libvirt in its own words, as NFV-GUEST-004."""
    return Failure(
        "NFV-GUEST-004",
        what,
        str(error),
        fix or "`journalctl -u libvirtd` and /var/log/libvirt/qemu/ on the host say more",
    )
