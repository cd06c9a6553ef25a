# SPDX-License-Identifier: Apache-2.0
"""What a changing module did, or in check mode would do."""

from __future__ import annotations

import json
from typing import Any

from .nfvcap_failure import Failure


class Outcome:
    """Changes in the order in which they are made, notes for people, and further keys of the result.

    Attributes:
        begun: something has been written; until then a failure has left the host as it was.
    """

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.extra: dict[str, Any] = {}
        self.begun = False

    def add(self, change_id: str, before: Any, after: Any) -> None:
        """Note one change. ``before`` and ``after`` are JSON values; texts of files make a readable diff."""
        self.changes.append({"id": change_id, "before": before, "after": after})

    def result(self) -> dict[str, Any]:
        """Keys for ``exit_json``."""
        return {
            "changed": bool(self.changes),
            "diff": [
                {
                    "before_header": change["id"],
                    "after_header": change["id"],
                    "before": _as_text(change["before"]),
                    "after": _as_text(change["after"]),
                }
                for change in self.changes
            ],
            "nfvcap_changes": self.changes,
            "nfvcap_notes": self.notes,
            **self.extra,
        }


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and "\n" in value else json.dumps(value, sort_keys=True) + "\n"


def unforeseen(error: OSError) -> Failure:
    """A refusal of the operating system that no step has words of its own for."""
    return Failure(
        "NFV-LEDGER-010",
        f"the host refused: {error}",
        "a file could not be read or written in the middle of a change",
        "see `dmesg` on the host, mend it, then run again: what is done is not done twice",
    )
