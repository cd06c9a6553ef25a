# SPDX-License-Identifier: Apache-2.0
"""Which checks a measurement ends with, whatever is found: their names are a history on CI servers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nfvcap.report.numbers import ratio
from nfvcap.verify.packets.profiles import PROFILES

CALIBRATED = "NFV-PKT-001"
PROVEN = "NFV-PKT-002"
COMPLETE = "NFV-PKT-009"
FIXED, GOAL, ACCOUNT, ORDER, AT_LEAST, BURST, SIZES = (f"NFV-PKT-0{number}" for number in range(10, 17))

Name = tuple[str, str]
"""(id, subject)"""


def names(path: str, profile: str, rate: str, ratios: Sequence[float] = ()) -> tuple[Name, ...]:
    """Names of all checks of one path, in their order.

    Args:
        path: its name.
        profile: by name.
        rate: "search", "line", or packets a second.
        ratios: tolerated loss ratios that were searched for; () for those of the profile.
    """
    if rate == "search":
        about = [(GOAL, goal_of(path, one)) for one in ratios or [goal.loss_ratio for goal in PROFILES[profile].goals]]
        about.append((AT_LEAST, path))
    else:
        about = [(BURST if profile == "burst" else FIXED, path)]
    return (
        *((one, path) for one in (CALIBRATED, PROVEN, COMPLETE)), *about,
        *((one, path) for one in (ACCOUNT, ORDER, SIZES)),
    )  # fmt: skip


def goal_of(path: str, loss_ratio: float) -> str:
    """The subject of a check of one goal."""
    return f"{path} loss ratio {ratio(loss_ratio)}"
