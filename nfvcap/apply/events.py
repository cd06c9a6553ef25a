# SPDX-License-Identifier: Apache-2.0
"""Typed events of a running playbook, read from the JSON lines of the callback plugin ``nfvcap_events``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nfvcap.errors import NfvcapError

SCHEMA = "nfvcap/events/1"


class Status(StrEnum):
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Started:
    """The callback plugin is loaded; what follows obeys ``schema``."""

    schema: str


@dataclass(frozen=True)
class PlayStarted:
    name: str


@dataclass(frozen=True)
class TaskBegins:
    """A host (``""``: all of them) begins with a task."""

    host: str
    role: str
    name: str
    action: str


@dataclass(frozen=True)
class TaskEnded:
    host: str
    role: str
    name: str
    action: str
    status: Status
    ignored: bool
    duration_s: float
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.status in (Status.FAILED, Status.UNREACHABLE) and not self.ignored


@dataclass(frozen=True)
class Ended:
    """Ansible's own count per host; the last event of a run that came to its end."""

    hosts: dict[str, dict[str, int]]


Event = Started | PlayStarted | TaskBegins | TaskEnded | Ended


def parse(line: str) -> Event | None:
    """One line as an event; None for kinds that this version does not use.

    Raises:
        NfvcapError: NFV-RUN-006 when the line is no event at all.
    """
    try:
        raw = json.loads(line)
        return _build(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise NfvcapError(
            "NFV-RUN-006",
            "cannot read an event of the running playbook",
            f"{type(error).__name__}: {error} in {line[:200]!r}",
            "another callback plugin may write to the same file; unset NFVCAP_EVENTS",
        ) from error


def _build(raw: dict[str, Any]) -> Event | None:
    match raw["event"]:
        case "start":
            return Started(raw["schema"])
        case "play":
            return PlayStarted(raw["name"])
        case "begin":
            return TaskBegins(raw["host"], raw["role"], _title(raw), raw["action"])
        case "result":
            return TaskEnded(
                host=raw["host"],
                role=raw["role"],
                name=_title(raw),
                action=raw["action"],
                status=Status(raw["status"]),
                ignored=raw["ignored"],
                duration_s=raw["duration_s"] or 0.0,
                data=raw["data"],
            )
        case "stats":
            return Ended(raw["hosts"])
    return None


def _title(raw: dict[str, Any]) -> str:
    # Ansible prefixes the name with the role, which is a field of its own here.
    name, role = str(raw["name"]), str(raw["role"])
    return name.removeprefix(f"{role} : ") if role else name
