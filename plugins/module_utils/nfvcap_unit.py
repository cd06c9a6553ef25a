# SPDX-License-Identifier: Apache-2.0
"""systemd units as they are, the few things done to them, and their way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host

START_TIMEOUT_S = 180.0
FOLDER = "/etc/systemd/system/"
_PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID,Environment"
# A unit in one of these states starts at boot, or whenever another unit wants it; there is nothing to enable.
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
_ACTIVE = ("active", "activating", "reloading")


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit; ``stale`` when its process was started with another environment."""

    load: str
    active: str
    enabled: str
    needs_reload: bool
    stale: bool

    @property
    def exists(self) -> bool:
        return self.load != "not-found"

    @property
    def is_enabled(self) -> bool:
        return self.enabled in _ENABLED

    @property
    def is_active(self) -> bool:
        return self.active in _ACTIVE

    def as_before(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {"load": self.load, "active": self.active, "enabled": self.enabled}

    def __str__(self) -> str:
        more = ", runs with another environment than its files give" if self.stale else ""
        return f"{self.load}, {self.enabled or 'not enabled'}, {self.active}{more}"


def read_units(host: Host, names: list[str]) -> dict[str, UnitState]:
    """State of each unit from one ``systemctl show``; a unit that does not exist has ``load`` "not-found".

    Raises:
        Failure: NFV-LEDGER-007 when systemd does not answer.
    """
    if not names:
        return {}
    argv = ["systemctl", "show", f"--property={_PROPERTIES}", "--", *names]
    fix = "look at `systemctl status` on the host"
    answer = host.must(argv, "NFV-LEDGER-007", "systemd does not answer", fix)
    blocks = [block for block in answer.stdout.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        what = f"systemd described {len(blocks)} of {len(names)} units"
        raise Failure("NFV-LEDGER-007", what, f"`{' '.join(argv)}`", fix)
    return {name: _decode(host, blocks[place]) for place, name in enumerate(names)}


def _decode(host: Host, block: str) -> UnitState:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        load=values.get("LoadState", "not-found"),
        active=values.get("ActiveState", "inactive"),
        enabled=values.get("UnitFileState", ""),
        needs_reload=values.get("NeedDaemonReload") == "yes",
        stale=_is_stale(host, values.get("MainPID", "0"), values.get("Environment", "")),
    )


def _is_stale(host: Host, pid: str, environment: str) -> bool:
    """Whether the main process lacks a variable that the unit's files give it now: exact, and no clock involved."""
    data = host.read_bytes(f"/proc/{pid}/environ") if pid != "0" else None
    if not data or not environment:
        return False
    has = data.decode("utf-8", "replace").split("\0")
    return any(word not in has for word in environment.split())


def systemctl(host: Host, *words: str) -> None:
    """Run systemctl.

    Raises:
        Failure: NFV-LEDGER-007.
    """
    host.must(
        ["systemctl", *words],
        "NFV-LEDGER-007",
        f"`systemctl {' '.join(words)}` failed",
        f"`systemctl status {words[-1]}` on the host says more",
        START_TIMEOUT_S,
    )


def restore_unit(host: Host, name: str, before: dict[str, Any]) -> None:
    """Back to the recorded state; a unit that was not there then is stopped and disabled before its file goes.

    Raises:
        Failure: NFV-LEDGER-007.
    """
    state = read_units(host, [name])[name]
    if not state.exists:
        return
    was_there = before["load"] != "not-found"
    enabled, active = was_there and before["enabled"] in _ENABLED, was_there and before["active"] in _ACTIVE
    if state.is_enabled != enabled:
        systemctl(host, "enable" if enabled else "disable", name)
    if state.is_active != active:
        systemctl(host, "start" if active else "stop", name)
    found = read_units(host, [name])[name]
    if found.is_enabled != enabled or found.is_active != active:
        raise Failure(
            "NFV-LEDGER-007",
            f"{name} did not become what it was",
            f"it is {found}",
            f"`systemctl status {name}` on the host says more",
        )


def restart_user_of(host: Host, path: str) -> None:
    """After a drop-in below /etc/systemd/system was restored: the unit that ran with it runs without it."""
    folder = path[len(FOLDER) :].split("/", 1)[0] if path.startswith(FOLDER) else ""
    if folder.endswith(".d"):
        systemctl(host, "daemon-reload")
        systemctl(host, "try-restart", folder[: -len(".d")])
