# SPDX-License-Identifier: Apache-2.0
"""``nfvcap/guests/1``: what is wanted of guests, as playbooks/guest.yml takes it. Pure but for reading templates."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from nfvcap.errors import UsageError
from nfvcap.guest import seed
from nfvcap.guest.domain import domain_xml, overlay_path, seed_path
from nfvcap.model.plan import GuestPlacement

SCHEMA = "nfvcap/guests/1"


def document(host: str, guests: Iterable[dict[str, Any]], wait_s: float = 0) -> dict[str, Any]:
    """Variables for the playbook.

    Args:
        host: the host's name in the inventory.
        guests: what :func:`defined` and :func:`state` give, in the order in which it is to happen.
        wait_s: how long to wait for the agents of guests that run.
    """
    return {"nfvcap_guests_schema": SCHEMA, "nfvcap_guests": {host: list(guests)}, "nfvcap_guests_wait_s": wait_s}


def defined(host: str, guest: GuestPlacement) -> dict[str, Any]:
    """The guest is to be there as the plan has it.

    Raises:
        UsageError: NFV-GUEST-008 the inventory does not say what it boots, NFV-GUEST-007 an old plan.
    """
    boot = guest.machine.boot if guest.machine is not None else None
    if guest.machine is None or boot is None or not (boot.kernel or boot.disk):
        raise UsageError(
            "NFV-GUEST-008",
            f"the inventory does not say what guest {guest.name} boots",
            "nfvcap places such a guest and creates nothing",
            f"give guests.{guest.name}.image: a kernel with its initrd, or a disk (cloud image) on {host}",
        )
    disk = None
    if boot.disk is not None:
        medium = base64.b64encode(seed.medium(guest.name, guest.machine)).decode()
        disk = {
            "path": overlay_path(guest.name), "base": boot.disk, "size_bytes": boot.size_bytes,
            "seed": medium, "seed_path": seed_path(guest.name),
        }  # fmt: skip
    return {"name": guest.name, "state": "defined", "xml": domain_xml(host, guest), "disk": disk}


def state(name: str, wanted: str, *, timeout_s: float = 60, force: bool = False) -> dict[str, Any]:
    """The guest is to be ``running``, ``stopped`` or ``absent``."""
    return {"name": name, "state": wanted, "timeout_s": timeout_s, "force": force}
