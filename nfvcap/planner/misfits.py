# SPDX-License-Identifier: Apache-2.0
"""What does not fit: collected while planning, so that the user sees all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfvcap.errors import UsageError


@dataclass(frozen=True)
class Misfit:
    """One reason why there is no plan: catalogue id, what does not fit and by how much, why, and the way out."""

    code: str
    what: str
    why: str = ""
    fix: str = ""

    def line(self) -> str:
        return self.what + (f" ({self.why})" if self.why else "") + (f" — {self.fix}" if self.fix else "")


@dataclass
class Misfits:
    """Collects misfits and warnings of one host; the same thing is said once."""

    found: list[Misfit] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        misfit = Misfit(code, what, why, fix)
        if misfit not in self.found:
            self.found.append(misfit)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def raise_if_any(self, host: str) -> None:
        """Raise one :class:`UsageError` that holds everything collected; a single misfit keeps its own id."""
        if not self.found:
            return
        if len(self.found) == 1:
            only = self.found[0]
            raise UsageError(only.code, f"{host}: {only.what}", only.why, only.fix)
        lines = [f"[{misfit.code}] {misfit.line()}" for misfit in self.found]
        raise UsageError(
            "NFV-PLAN-001",
            f"{host}: the inventory does not fit this machine in {len(lines)} points",
            "each with its id:" + "".join(f"\n    {line}" for line in lines),
            "change the points above in the inventory, or the machine; nothing was changed yet",
        )
