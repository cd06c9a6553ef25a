# SPDX-License-Identifier: Apache-2.0
"""What one way of attaching brings to the matrix: rows that can be measured, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nfvcap.cli.spot import Spot
from nfvcap.model.result import Check, HostResult
from nfvcap.verify.packets.cells import Key
from nfvcap.verify.packets.run import Wish

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

Measure = Callable[[HostResult, Wish], HostResult]


@dataclass
class Found:
    """Rows of the matrix.

    Attributes:
        rows: how each is measured, as long as the block is open that this is given in.
        reasons: why others are not.
        checks: what else was found out; complete when the block is left.
    """

    rows: dict[Key, Measure] = field(default_factory=dict)
    reasons: dict[Key, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Rows that need the same.

    Args:
        opened: gives them what they need as long as the block, and puts it away again.
        guest: where they are captured; "" on the host.
        keys: which rows these may be, where a guest has to answer for them.
    """

    opened: Callable[[], AbstractContextManager[Found]]
    guest: str = ""
    keys: tuple[Key, ...] = ()


def by(engine: str) -> dict[str, Any]:
    """Options of a cell that an engine captures: what was said for the agent is nothing that tcpdump knows."""
    return {"engine": engine} | ({"capture_options": ()} if engine == "libpcap" else {})


def at(looked: Looked, spot: Spot, engine: str) -> Measure:
    """Measure there by an engine."""
    asked = looked.with_options(**by(engine))
    return lambda host, wish: spot.result(asked, host, wish)
