# SPDX-License-Identifier: Apache-2.0
"""Checks of a path that was not measured: under the names that they have when it is."""

from __future__ import annotations

from nfvcap.errors import NfvcapError
from nfvcap.model.result import Check
from nfvcap.verify.packets.cases import CALIBRATED, PROVEN, names
from nfvcap.verify.packets.checks import failed, skipped
from nfvcap.verify.packets.run import Wish

UNTRIED = f"the path could not be tried, see {PROVEN}"
NOT_REACHED = "the run was interrupted before it was measured"


def untried(path: str, wish: Wish, error: NfvcapError) -> tuple[Check, ...]:
    """One check says what kept the path from being tried; the others could not be made."""
    told = failed(path, error)
    return tuple(told if check.id == PROVEN else check for check in unmeasured(path, wish, UNTRIED, PROVEN))


def unmeasured(path: str, wish: Wish, reason: str, *more: str) -> tuple[Check, ...]:
    """All checks that the path would have had, not made for a reason.

    Args:
        path: its name, without what is behind it.
        more: checks that are there even if the source was to be calibrated only.
    """
    wanted = names(path, wish.profile.name, wish.rate)
    return tuple(
        skipped(check_id, subject, reason) for check_id, subject in wanted
        if not wish.only_calibrate or check_id in (CALIBRATED, *more)
    )  # fmt: skip
