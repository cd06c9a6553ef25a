# SPDX-License-Identifier: Apache-2.0
"""Rows of the matrix that tcpdump captures, where the kernel has an interface: by libpcap, or by PF_RING's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nfvcap.cli.matrix_found import Found, at
from nfvcap.cli.spot import Spot
from nfvcap.errors import NfvcapError
from nfvcap.verify.packets.cells import Key
from nfvcap.verify.packets.points.tcpdump import LIBPCAP, PF_RING, look

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

_OTHER = {
    LIBPCAP: "tcpdump captures by the kernel's sockets there: /proc/net/pf_ring shows none of it",
    PF_RING: "tcpdump captures by PF_RING there",
}


def keys(attachment: str) -> tuple[Key, Key]:
    """Rows of an attachment."""
    return (attachment, LIBPCAP, "", 0), (attachment, PF_RING, "", 0)


def by_tcpdump(looked: Looked, spot: Spot) -> Found:
    """The row of that by which tcpdump captures there, and why not the other; nothing is measured yet."""
    both = keys(spot.attachment)
    try:
        with spot.way() as door:
            engine = look(door, spot.ports[0].interface).engine
    except NfvcapError as error:
        return Found(reasons=dict.fromkeys(both, f"{error.what}: {error.why} [{error.code}]"))
    return Found(
        {key: at(looked, spot, "libpcap") for key in both if key[1] == engine},
        {key: _OTHER[engine] for key in both if key[1] != engine},
    )
