# SPDX-License-Identifier: Apache-2.0
"""How a host check says what it found: pass, warn or fail, always with found, wanted and the way to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nfvcap.verify.case import Case

Subjects = Callable[["Case"], Iterable[tuple[str, Any]]]


@dataclass(frozen=True)
class Registered:
    """What makes a function a host check."""

    id: str
    subjects: Subjects


def once(_case: Case) -> Iterable[tuple[str, Any]]:
    """The check is made once per host."""
    return [("", None)]


def check(check_id: str, subjects: Subjects = once) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a pytest function a host check.

    Args:
        check_id: catalogue id, which gives the title and the explanation.
        subjects: what is to be checked on a host, as pairs of a name for people and the value given as ``item``;
            an empty list means that the plan wants nothing of the kind.
    """

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        function.nfvcap_check = Registered(check_id, subjects)  # type: ignore[attr-defined]
        return function

    return mark


class CheckFailed(AssertionError):
    """Found is not what was wanted."""


class Expect:
    """Handed to every check as ``expect``; remembers the words for the report whatever the verdict is."""

    def __init__(self) -> None:
        self.found = ""
        self.wanted = ""
        self.fix = ""
        self.warned = False

    def __call__(self, ok: bool, *, found: object, wanted: object, fix: str) -> None:
        """State the outcome; raises :class:`CheckFailed` when it is not ``ok``."""
        self.found, self.wanted = str(found), str(wanted)
        if not ok:
            self.fix = fix
            raise CheckFailed(f"found {found}, wanted {wanted}")

    def warn_unless(self, ok: bool, *, found: object, wanted: object, fix: str) -> None:
        """Like a call, but what is not ``ok`` is only a warning: worth knowing, and no reason to fail."""
        self.found, self.wanted = str(found), str(wanted)
        if not ok:
            self.warned, self.fix = True, fix
