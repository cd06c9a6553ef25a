# SPDX-License-Identifier: Apache-2.0
"""Why each choice was made, in words that teach: what ``nfvcap plan --why`` prints."""

from __future__ import annotations

from nfvcap.model.plan import Reason


class Reasons:
    """Collects one reason per subject, in the order in which the choices were made."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def add(self, subject: str, text: str) -> None:
        self._texts.setdefault(subject, text)

    def all(self) -> tuple[Reason, ...]:
        return tuple(Reason(subject=subject, text=text) for subject, text in self._texts.items())
