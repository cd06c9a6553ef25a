# SPDX-License-Identifier: Apache-2.0
"""The VFs that are meant by names, and the addresses that frames reach them by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nfvcap.attach.request import all_vfs, named_vf
from nfvcap.errors import UsageError
from nfvcap.mirror.request import DEVICE, Spot, spots_of
from nfvcap.model.facts import Facts

_NO_ADDRESS = "00:00:00:00:00:00"


def address(facts: Facts, pf: str, index: int) -> tuple[str, int]:
    """MAC address and VLAN of a VF, as they are administered.

    Raises:
        UsageError: NFV-MIRROR-034 it has no administrative address.
    """
    for nic, vf in all_vfs(facts):
        if (nic.address, vf.index) == (pf, index) and vf.mac and vf.mac != _NO_ADDRESS:
            return vf.mac, vf.vlan or 0
    raise UsageError(
        "NFV-MIRROR-034", f"the address of vf{index} of {pf} is not known", "it has no administrative address",
        f"give vf {index} a mac in the inventory",
    )  # fmt: skip


def guests_on_one_port(words: Sequence[str], facts: Facts) -> list[Spot]:
    """The one VF of each guest (or the VF that is named), all on one PF.

    Raises:
        UsageError: NFV-MIRROR-020 nobody of that name, -021 not on one PF, -022 which of several VFs, -026 no VF.
    """
    found = []
    for word in words:
        here = [spot for spot in spots_of(word, facts) if spot.kind == "vf"]
        if not here:
            raise UsageError(
                "NFV-MIRROR-026", f"{word} has no VF that frames could be sent to", "",
                f"attach one: nfvcap attach-vf {word}",
            )  # fmt: skip
        if len(here) > 1:
            raise UsageError(
                "NFV-MIRROR-022", f"{word} has {len(here)} VFs: which one is meant?",
                ", ".join(f"{spot.pf}:vf{spot.index}" for spot in here), "name the VF instead of the guest",
            )  # fmt: skip
        found += here
    pfs = sorted({spot.pf for spot in found})
    if len(pfs) > 1:
        raise UsageError(
            "NFV-MIRROR-021", "these guests are not on one port", ", ".join(pfs), "try one port after the other"
        )
    return found


def has_vf(word: str) -> Callable[[Facts], bool]:
    """Accepts a host that has the VF or interface that was named instead of a guest."""

    def accepts(facts: Facts) -> bool:
        if word.startswith(DEVICE):
            return True
        if ":" not in word:
            return False
        try:
            named_vf(word, "", facts)
        except UsageError:
            return False
        return True

    return accepts
