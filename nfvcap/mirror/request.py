# SPDX-License-Identifier: Apache-2.0
"""Who watches whom: guests and VFs as people name them become places on one PF, or the request is refused."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nfvcap.attach.request import all_vfs, named_vf
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts, Nic

_WHOLE = ("all", "uplink")
DEVICE = "dev:"
_EXAMPLES = (
    "a guest such as vm1, a VF such as ens1f0:vf2 or 0000:81:10.4, an interface such as dev:vnet0, uplink, or all"
)


@dataclass(frozen=True)
class Spot:
    """A place with the PF that it belongs to; "" when it is on none."""

    pf: str
    kind: str
    label: str
    index: int = -1
    interface: str = ""
    guest: str = ""

    def as_place(self) -> dict[str, Any]:
        """As the module nfvcap_mirror takes it."""
        keys = ("kind", "label", "index", "interface", "guest")
        return {key: getattr(self, key) for key in keys if getattr(self, key) not in ("", -1)}


@dataclass(frozen=True)
class Resolved:
    """A request that makes sense as far as the facts tell."""

    pf: str
    monitor: Spot
    sources: tuple[Spot, ...]

    def words(self) -> str:
        return f"{', '.join(source.label for source in self.sources)} → {self.monitor.label}"

    def as_variables(self) -> dict[str, Any]:
        return {
            "pf": self.pf,
            "monitor": self.monitor.as_place(),
            "sources": [source.as_place() for source in self.sources],
        }


def resolve(monitor: str, sources: str, facts: Facts) -> Resolved:
    """Find out what is meant.

    Args:
        monitor: who gets the copies: a guest, a VF, or ``dev:NAME``.
        sources: ``all``, ``uplink``, or guests and VFs separated by commas.

    Raises:
        UsageError: NFV-MIRROR-002 a monitor would watch itself, -020 nobody of that name, -021 not on one PF, -022
            which of several VFs; NFV-ATTACH-003 no such VF or port.
    """
    return resolve_for(monitor, spots_of(monitor, facts), sources, facts)


def resolve_for(monitor: str, ends: list[Spot], sources: str, facts: Facts) -> Resolved:
    """As :func:`resolve`, for a monitor whose possible places are known."""
    named = [word.strip() for word in sources.split(",") if word.strip()]
    if not named:
        raise UsageError("NFV-MIRROR-020", "nobody is watched", f"{sources!r} names nobody", f"name {_EXAMPLES}")
    whole = [word for word in named if word in _WHOLE]
    if whole and len(named) > 1:
        raise UsageError(
            "NFV-MIRROR-020", f"{whole[0]} already covers the others", "", f"name {whole[0]} alone, or single guests"
        )
    candidates = [spots_of(word, facts) for word in named if word not in _WHOLE]
    pf = _common_pf(monitor, ends, named, candidates)
    end = _one(monitor, ends, pf)
    watched = [Spot(pf, word, word) for word in whole]
    watched += [spot for spots in candidates for spot in spots if spot.pf == pf or not spot.pf]
    for spot in watched:
        if (spot.pf, spot.kind, spot.index, spot.interface, spot.guest) == (
            end.pf, end.kind, end.index, end.interface, end.guest,
        ):  # fmt: skip
            raise UsageError(
                "NFV-MIRROR-002", f"{end.label} cannot watch itself", "it would get copies of its own copies",
                "watch another guest",
            )  # fmt: skip
    return Resolved(pf, end, tuple(dict.fromkeys(watched)))


def port_of(sources: str, facts: Facts) -> str:
    """PCI address of the PF that all the watched have a VF on; "" when that is not a single one."""
    words = [word.strip() for word in sources.split(",") if word.strip()]
    found = [{spot.pf for spot in spots_of(word, facts)} for word in words if word not in _WHOLE]
    common = set.intersection(*found) - {""} if found else set()
    return common.pop() if len(common) == 1 else ""


def spots_of(word: str, facts: Facts) -> list[Spot]:
    """All places that a name stands for.

    Raises:
        UsageError: NFV-MIRROR-020 nobody of that name; NFV-ATTACH-003 no such VF or port.
    """
    if word.startswith(DEVICE):
        return [Spot("", "interface", word.removeprefix(DEVICE), interface=word.removeprefix(DEVICE))]
    guest = next((one for one in facts.guests if one.name == word), None)
    if guest is not None:
        vfs = [
            Spot(nic.address, "vf", guest.name, index=vf.index)
            for nic, vf in all_vfs(facts)
            if vf.address in guest.hostdevs or (vf.holder and vf.holder.name == word)
        ]
        # A guest without VFs has its interface on the host: a tap, which has another name at each start.
        return vfs or [Spot("", "guest-nic", guest.name, guest=guest.name)]
    if ":" not in word:
        names = [one.name for one in facts.guests]
        near = difflib.get_close_matches(word, names, n=1)
        raise UsageError(
            "NFV-MIRROR-020", f"there is no guest {word}", f"guests: {', '.join(names) or 'none'}",
            f"did you mean {near[0]}?" if near else f"name {_EXAMPLES}",
        )  # fmt: skip
    nic, vf = named_vf(word, "", facts)
    return [Spot(nic.address, "vf", _label(nic, vf.index), index=vf.index)]


def _label(nic: Nic, index: int) -> str:
    return f"{nic.name or nic.address}:vf{index}"


def _common_pf(monitor: str, ends: list[Spot], named: Sequence[str], candidates: list[list[Spot]]) -> str:
    """The PF that all places are on; "" when none of the watched is on one."""
    watched = [{spot.pf for spot in spots if spot.pf} for spots in candidates]
    watched = [pfs for pfs in watched if pfs]
    mine = {spot.pf for spot in ends if spot.pf}
    if not watched and candidates:
        return next(iter(mine)) if len(mine) == 1 else ""
    if not mine:
        raise UsageError(
            "NFV-MIRROR-021", f"{monitor} has no VF, so no card can copy frames of VFs to it",
            "copies are made within one PF", f"attach one: nfvcap attach-vf {monitor}",
        )  # fmt: skip
    common = mine.intersection(*watched) if watched else mine
    if not common:
        where = "; ".join(
            f"{word}: {', '.join(sorted({spot.pf for spot in spots if spot.pf})) or 'no VF'}"
            for word, spots in zip([word for word in named if word not in _WHOLE], candidates, strict=True)
        )
        raise UsageError(
            "NFV-MIRROR-021", f"{monitor} has no VF on the PF of everyone it shall watch",
            f"a card copies within one PF; {monitor}: {', '.join(sorted(mine))}; {where}",
            f"give {monitor} a VF of that PF: nfvcap attach-vf {monitor} --pf PF; or one monitor per PF",
        )  # fmt: skip
    if len(common) > 1:
        raise UsageError(
            "NFV-MIRROR-022", f"{monitor} has VFs on {', '.join(sorted(common))}: which PF is meant?",
            "", "name the VF instead of the guest: ens1f0:vf3",
        )  # fmt: skip
    return common.pop()


def _one(monitor: str, ends: list[Spot], pf: str) -> Spot:
    here = [spot for spot in ends if spot.pf == pf] or [spot for spot in ends if not spot.pf]
    if len(here) > 1:
        raise UsageError(
            "NFV-MIRROR-022", f"{monitor} has {len(here)} VFs of {pf}: which one gets the copies?",
            ", ".join(f"vf{spot.index}" for spot in here), "name the VF instead of the guest: ens1f0:vf3",
        )  # fmt: skip
    return here[0]
