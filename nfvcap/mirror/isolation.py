# SPDX-License-Identifier: Apache-2.0
"""Numbered frames to guests while a monitor comes and goes: did any of them lose a frame, or get one twice? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nfvcap.errors import ExitCode
from nfvcap.mirror.trial import Heard, Range

SCHEMA = "nfvcap/isolation/1"


@dataclass(frozen=True)
class Share:
    """One guest: how many frames were sent to it, and what it got."""

    sent: int
    heard: Heard

    @property
    def missing(self) -> tuple[Range, ...]:
        return self.heard.missing(self.sent)

    @property
    def lost(self) -> int:
        return self.sent - self.heard.distinct


@dataclass(frozen=True)
class Isolation:
    """All guests over the whole time."""

    shares: tuple[Share, ...]
    duration_s: float

    @property
    def sent(self) -> int:
        return sum(share.sent for share in self.shares)

    @property
    def lost(self) -> int:
        return sum(share.lost for share in self.shares)

    @property
    def duplicated(self) -> int:
        return sum(share.heard.duplicates for share in self.shares)

    @property
    def code(self) -> ExitCode:
        """CHECK_FAILED: a guest was touched. INCONCLUSIVE: a guest got no frame at all, so its way is not open."""
        if any(not share.heard.distinct for share in self.shares):
            return ExitCode.INCONCLUSIVE
        return ExitCode.CHECK_FAILED if self.lost or self.duplicated else ExitCode.OK

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "duration_s": round(self.duration_s, 1),
            "sent": self.sent,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "guests": [
                {"guest": share.heard.label, "sent": share.sent, "received": share.heard.received, "lost": share.lost,
                 "duplicated": share.heard.duplicates, "missing": share.missing}
                for share in self.shares
            ],
        }  # fmt: skip
