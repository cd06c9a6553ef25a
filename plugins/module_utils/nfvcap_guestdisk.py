# SPDX-License-Identifier: Apache-2.0
"""The disk of a guest that boots a cloud image: an overlay over the image, and the medium that tells it who it is."""

from __future__ import annotations

import base64
from typing import Any

from .nfvcap_host import Host

_TIMEOUT_S = 120.0


def ask_disk(host: Host, disk: dict[str, Any] | None) -> list[str]:
    """Files of the disk that have to be made."""
    if disk is None:
        return []
    missing = [] if host.exists(disk["path"]) else [disk["path"]]
    if host.read_bytes(disk["seed_path"]) != base64.b64decode(disk["seed"]):
        missing.append(disk["seed_path"])
    return missing


def make_disk(host: Host, name: str, disk: dict[str, Any]) -> None:
    """Make what is missing; an overlay that is there is never touched, it holds the guest's data.

    Args:
        disk: ``path`` (overlay), ``base`` (cloud image), ``size_bytes`` (None: as the image), ``seed`` (base64),
            ``seed_path``.

    Raises:
        Failure: NFV-GUEST-025 the overlay cannot be made.
    """
    missing = ask_disk(host, disk)
    if disk["seed_path"] in missing:
        host.replace(disk["seed_path"], base64.b64decode(disk["seed"]))
    if disk["path"] in missing:
        size = [str(disk["size_bytes"])] if disk.get("size_bytes") else []
        made = disk["path"] + ".new"
        host.must(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk["base"], made, *size],
            "NFV-GUEST-025",
            f"the disk of guest {name} cannot be made",
            "is the image a qcow2 file, and is there room?",
            _TIMEOUT_S,
        )
        host.rename(made, disk["path"])
