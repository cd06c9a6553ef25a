# SPDX-License-Identifier: Apache-2.0
"""The one kind of failure that host-side code reports: what happened, why, and how to fix it."""

from __future__ import annotations


class Failure(Exception):
    """A refused or failed change, in words for people; ``code`` is its entry in the catalogue (``nfvcap explain``)."""

    def __init__(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.fix = code, what, why, fix

    def as_dict(self) -> dict[str, str]:
        """The four parts, as modules return them in ``nfvcap_error``."""
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix}

    def __str__(self) -> str:
        return " | ".join(
            part
            for part in (
                f"{self.what} [{self.code}]",
                f"why: {self.why}" if self.why else "",
                f"fix: {self.fix}" if self.fix else "",
            )
            if part
        )
