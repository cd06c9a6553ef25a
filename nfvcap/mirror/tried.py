# SPDX-License-Identifier: Apache-2.0
"""Which part of a rule a mirror test tries: frames to one watched guest, so never what a guest sends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nfvcap.errors import UsageError


@dataclass(frozen=True)
class Tried:
    """What a test says something about, and what not.

    Args:
        source: the watched place that frames are sent to, as the rule has it.
        left_out: directions and other watched places of the rule that are not tried.
    """

    source: dict[str, Any]
    left_out: tuple[str, ...]

    def words(self) -> str:
        """``in, of vm1; out is not tried``."""
        return "; ".join([f"in, of {_name(self.source)}", *(f"{one} is not tried" for one in self.left_out)])

    def as_dict(self) -> dict[str, Any]:
        return {"direction": "in", "source": _name(self.source), "not_tried": list(self.left_out)}


def tried(rule: Mapping[str, Any]) -> Tried:
    """The part of a rule that frames from outside can try.

    Raises:
        UsageError: NFV-MIRROR-033 it does not watch single VFs, -036 it copies only what they send.
    """
    first, *others = rule["sources"]
    if not rule["pf"] or first["kind"] != "vf":
        raise UsageError(
            "NFV-MIRROR-033", f"rule {rule['rule_id']} does not watch a single VF", rule["words"],
            "add a rule for one guest to try it out",
        )  # fmt: skip
    if rule["direction"] == "out":
        raise UsageError(
            "NFV-MIRROR-036", f"rule {rule['rule_id']} copies only what {_name(first)} sends",
            "the test sends frames to a watched guest, and none of these are copied",
            "let the guest send, and count at the monitor, for instance by tcpdump; or try a rule with --direction in",
        )  # fmt: skip
    return Tried(dict(first), (*["out"] * (rule["direction"] == "both"), *map(_name, others)))


def _name(place: Mapping[str, Any]) -> str:
    return str(place["label"] or f"vf{place['index']}")
