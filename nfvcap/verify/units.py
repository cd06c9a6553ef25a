# SPDX-License-Identifier: Apache-2.0
"""systemd units as `systemctl show` prints them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from nfvcap.verify.snapshot import CannotJudge, Snapshot


@dataclass(frozen=True)
class Unit:
    """One unit; ``load`` is ``not-found`` when it does not exist."""

    name: str
    load: str
    active: str
    sub: str
    enabled: str
    result: str
    triggered_by: tuple[str, ...]
    main_pid: int
    invocation: str
    programs: tuple[str, ...]  # absolute paths in the command line of ExecStart: interpreter, script
    environment: str

    @property
    def exists(self) -> bool:
        return self.load == "loaded"

    @property
    def failed(self) -> bool:
        return self.active == "failed" or self.result not in {"", "success"}

    @property
    def starts_at_boot(self) -> bool:
        return self.enabled in {"enabled", "static", "indirect", "generated", "alias"}


def units(snapshot: Snapshot) -> dict[str, Unit]:
    """All units that were asked for, by name."""
    said = snapshot.said("units")
    if said.rc != 0:
        raise CannotJudge(f"`{' '.join(said.argv)}` failed: {said.stderr.strip()}")
    found = {}
    for block in said.stdout.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in fields:
            unit = _unit(fields)
            found[unit.name] = unit
    return found


def _unit(fields: dict[str, str]) -> Unit:
    command = re.search(r"argv\[\]=(.*?) ;", fields.get("ExecStart", ""))
    return Unit(
        name=fields["Id"],
        load=fields.get("LoadState", ""),
        active=fields.get("ActiveState", ""),
        sub=fields.get("SubState", ""),
        enabled=fields.get("UnitFileState", ""),
        result=fields.get("Result", ""),
        triggered_by=tuple(fields.get("TriggeredBy", "").split()),
        main_pid=int(fields.get("MainPID") or 0),
        invocation=fields.get("InvocationID", ""),
        programs=tuple(word for word in command[1].split() if word.startswith("/")) if command else (),
        environment=fields.get("Environment", ""),
    )


def journal(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Error messages of nfvcap's units since boot, oldest first."""
    said = snapshot.said("journal")
    if said.rc != 0 and said.stderr.strip():
        raise CannotJudge(f"`{' '.join(said.argv)}` failed: {said.stderr.strip()}")
    return [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
