# SPDX-License-Identifier: Apache-2.0
"""The words of mirroring: what is asked for, what a backend offers or refuses, and the rule that stands in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Optional, Union

from .nfvcap_host import Host

IN, OUT, BOTH = "in", "out", "both"
DIRECTIONS = (IN, OUT, BOTH)
# Kinds of places that frames are copied from or to.
VF, ALL, UPLINK, INTERFACE, GUEST_NIC = "vf", "all", "uplink", "interface", "guest-nic"
KINDS = (VF, ALL, UPLINK, INTERFACE, GUEST_NIC)
# Suboptions of modules for a place.
PLACE: dict[str, Any] = {
    "kind": {"type": "str", "choices": list(KINDS), "default": VF},
    "index": {"type": "int", "default": -1},
    **{name: {"type": "str", "default": ""} for name in ("interface", "guest", "mac", "label")},
}


@dataclass(frozen=True)
class Place:
    """Where frames are copied from or to.

    Args:
        kind: ``vf``; ``all`` (whatever crosses the PF); ``uplink`` (whatever crosses its cable); ``interface`` (a named
            one of the host); ``guest-nic`` (tap or macvtap of a guest, which has another name at each start).
        index: number of the VF on its PF.
        interface: name of the interface.
        guest, mac: the guest and the address of its interface.
        label: what people call it: ``vm1``, ``ens1f0:vf2``.
    """

    kind: str
    index: int = -1
    interface: str = ""
    guest: str = ""
    mac: str = ""
    label: str = ""

    def same(self, other: Place) -> bool:
        """Whether both are one place, whatever people call it."""
        mine = (self.kind, self.index, self.interface, self.guest, self.mac)
        return mine == (other.kind, other.index, other.interface, other.guest, other.mac)

    def covers(self, other: Place) -> bool:
        """Whether frames of another place on the same PF are frames of this one."""
        return self.same(other) or (self.kind in (ALL, UPLINK) and other.kind == VF)

    def __str__(self) -> str:
        own = {
            VF: f"vf{self.index}", ALL: "all", UPLINK: "uplink", INTERFACE: self.interface,
            GUEST_NIC: f"{self.guest} ({self.mac})",
        }[self.kind]  # fmt: skip
        return f"{self.label} ({own})" if self.label and self.label != own else own


@dataclass(frozen=True)
class Request:
    """What somebody wants copied; directions are those of the watched guest.

    Args:
        pf: PCI address of the PF; "" when no VF has a part in it.
        direction: ``in`` (delivered to the sources), ``out`` (sent by them), ``both``; "": as far as the card can.
        backend: only this one; "": the first that can.
        may_registers, may_promisc: consent to what needs one.
        monitor_vlan: VLAN that the monitor's VF is about to get; None: it keeps what it has.
    """

    pf: str
    monitor: Place
    sources: tuple[Place, ...]
    direction: str = ""
    backend: str = ""
    may_registers: bool = False
    may_promisc: bool = False
    monitor_vlan: int | None = None

    def wants(self, direction: str) -> bool:
        """Whether this way is asked for; "as far as possible" asks for either."""
        return self.direction in ("", direction, BOTH)


@dataclass(frozen=True)
class Offer:
    """What a backend would do, said before it does anything.

    Args:
        copies, leaves_out: which frames the monitor gets, and which it does not get.
        effects: what else changes while the rule stands.
        isolation: what is known about a monitor that is slow or has stopped.
        detail: what the backend needs to set, find and remove its rule.
    """

    backend: str
    direction: str
    copies: tuple[str, ...]
    leaves_out: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    isolation: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Why a backend does not do it, and what would help."""

    backend: str
    why: str
    instead: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule that stands, or shall stand."""

    rule_id: str
    backend: str
    pf: str
    monitor: Place
    sources: tuple[Place, ...]
    direction: str
    detail: dict[str, Any]
    who: str = ""
    since: str = ""
    until: str = ""

    def words(self) -> str:
        """One line for people and the journal."""
        watched = ", ".join(str(source) for source in self.sources)
        at = f" on {self.pf}" if self.pf else ""
        end = f", until {self.until}" if self.until else ""
        return f"{self.direction} of {watched} to {self.monitor}{at} by {self.backend}{end}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Backend:
    """One mechanism of mirroring.

    Args:
        poll_s: how often the keeper looks whether its rules stand, events or not.
        probe: what it would copy, or why it does not; reads only. Gets the rules that stand.
        add: set a rule, or what is lacking of it.
        lacking: what is not as the rule says, in words; empty when it stands.
        remove: take away exactly what is the rule's; no error when it is gone.
        sees_resets: whether ``lacking`` tells that the card was reset; if not, the rule is set again after each reset.
    """

    name: str
    poll_s: float
    probe: Callable[[Host, Request, list[Rule]], Union[Offer, Refusal]]
    add: Callable[[Host, Rule], None]
    lacking: Callable[[Host, Rule], list[str]]
    remove: Callable[[Host, Rule], None]
    sees_resets: bool = True


def rule_from(document: dict[str, Any]) -> Rule:
    """The inverse of :meth:`Rule.as_dict`."""
    return Rule(
        **{
            **document,
            "monitor": Place(**document["monitor"]),
            "sources": tuple(Place(**source) for source in document["sources"]),
        }
    )


def between_vfs(name: str, request: Request) -> Optional[Refusal]:
    """The refusal of a backend that copies within one card; None when that is what is asked for."""
    if not request.pf or {request.monitor.kind, *kinds_of(request)} & {INTERFACE, GUEST_NIC}:
        return Refusal(name, "it copies between VFs of one PF only")
    return None


def kinds_of(request: Request) -> set[str]:
    """Kinds of the sources."""
    return {source.kind for source in request.sources}


def vf_sources(request: Request) -> list[int]:
    """Indices of the watched VFs."""
    return [source.index for source in request.sources if source.kind == VF]
