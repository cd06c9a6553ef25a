# SPDX-License-Identifier: Apache-2.0
"""systemd units: enabled, started, and running with the settings that their files give now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

START_TIMEOUT_S = 180.0
_PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,MainPID,Environment"
# A unit in these states starts at boot, or whenever another unit wants it; there is nothing to enable.
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


@dataclass(frozen=True)
class WantedUnit:
    """None leaves a property alone. ``fresh``: a running service has the environment that its files give now."""

    name: str
    enabled: bool | None = None
    started: bool | None = None
    fresh: bool = False


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit; ``stale`` when its process was started with other settings."""

    load: str
    active: str
    enabled: str
    needs_reload: bool
    stale: bool

    @property
    def is_enabled(self) -> bool:
        return self.enabled in _ENABLED

    @property
    def is_active(self) -> bool:
        return self.active in ("active", "activating", "reloading")

    def as_before(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {"load": self.load, "active": self.active, "enabled": self.enabled}


def read_units(host: Host, names: list[str]) -> dict[str, UnitState]:
    """State of each unit from one ``systemctl show``; a unit that does not exist has ``load`` "not-found".

    Raises:
        Failure: NFV-LEDGER-007 when systemd does not answer.
    """
    if not names:
        return {}
    argv = ["systemctl", "show", f"--property={_PROPERTIES}", "--", *names]
    answer = host.must(argv, "NFV-LEDGER-007", "systemd does not answer", "look at `systemctl status` on the host")
    blocks = [block for block in answer.stdout.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise Failure(
            "NFV-LEDGER-007",
            f"systemd described {len(blocks)} of {len(names)} units",
            f"`{' '.join(argv)}`",
            "look at `systemctl status` on the host",
        )
    return {name: _decode(host, block) for name, block in zip(names, blocks)}  # noqa: B905 (Python 3.9)


def _decode(host: Host, block: str) -> UnitState:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    needs_reload = values.get("NeedDaemonReload") == "yes"
    return UnitState(
        load=values.get("LoadState", "not-found"),
        active=values.get("ActiveState", "inactive"),
        enabled=values.get("UnitFileState", ""),
        needs_reload=needs_reload,
        stale=needs_reload or _is_stale(host, values.get("MainPID", "0"), values.get("Environment", "")),
    )


def _is_stale(host: Host, pid: str, environment: str) -> bool:
    """Whether the main process lacks a variable that the unit's files give it now: exact, and no clock involved."""
    data = host.read_bytes(f"/proc/{pid}/environ") if pid != "0" else None
    if not data or not environment:
        return False
    has = data.decode("utf-8", "replace").split("\0")
    return any(word not in has for word in environment.split())


def set_units(host: Host, wanted: list[WantedUnit], outcome: Outcome, check: bool, tolerate_absent: bool) -> None:
    """Reload systemd where files changed, then enable, start and restart what is wanted; read back.

    Args:
        tolerate_absent: in check mode, units of packages that a real run would have installed by now are only noted.

    Raises:
        Failure: NFV-LEDGER-007 unknown or masked unit, or one that does not become what is wanted.
    """
    states = read_units(host, [unit.name for unit in wanted])
    for unit in wanted:
        if states[unit.name].load == "not-found" and check and tolerate_absent:
            outcome.notes.append(f"{unit.name} comes with packages that are not installed yet")
            continue
        _plan(unit, states[unit.name], outcome)
    if check or not outcome.changes:
        return
    ledger = Ledger(host)
    outcome.begun = True
    if any(state.needs_reload or state.load == "not-found" for state in states.values()):
        _systemctl(host, "daemon-reload")
        states = read_units(host, list(states))
    ledger.record_all([(f"unit:{name}", "unit", state.as_before()) for name, state in states.items()])
    for unit in wanted:
        _apply(host, unit, states[unit.name])
    _read_back(host, wanted)


def _plan(unit: WantedUnit, state: UnitState, outcome: Outcome) -> None:
    if state.load == "masked" and (unit.enabled or unit.started):
        raise Failure(
            "NFV-LEDGER-008",
            f"{unit.name} is masked",
            "somebody forbade to start it",
            f"`systemctl unmask {unit.name}`, or take it out of the plan",
        )
    if unit.enabled is not None and unit.enabled != state.is_enabled:
        outcome.add(f"unit:{unit.name}:enabled", state.is_enabled, unit.enabled)
    if unit.started is not None and unit.started != state.is_active:
        outcome.add(f"unit:{unit.name}:started", state.is_active, unit.started)
    elif unit.fresh and state.stale and state.is_active:
        outcome.add(f"unit:{unit.name}:settings", "of before", "as its files say")
    elif state.needs_reload:
        outcome.add(f"unit:{unit.name}:files", "of before", "reloaded")


def _apply(host: Host, unit: WantedUnit, state: UnitState) -> None:
    if unit.enabled is not None and unit.enabled != state.is_enabled:
        _systemctl(host, "enable" if unit.enabled else "disable", unit.name)
    if unit.started is not None and unit.started != state.is_active:
        _systemctl(host, "start" if unit.started else "stop", unit.name)
    elif unit.fresh and state.is_active and read_units(host, [unit.name])[unit.name].stale:
        _systemctl(host, "restart", unit.name)


def _read_back(host: Host, wanted: list[WantedUnit]) -> None:
    states = read_units(host, [unit.name for unit in wanted])
    for unit in wanted:
        left = Outcome()
        _plan(unit, states[unit.name], left)
        if states[unit.name].load == "not-found" or left.changes:
            raise Failure(
                "NFV-LEDGER-007",
                f"{unit.name} did not become what is wanted",
                f"load {states[unit.name].load}, {states[unit.name].enabled or 'not enabled'}, "
                f"{states[unit.name].active}",
                f"`systemctl status {unit.name}` and `journalctl -u {unit.name}` on the host say more",
            )


def _systemctl(host: Host, *words: str) -> None:
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
    if state.load == "not-found":
        return
    was_there = before["load"] != "not-found"
    wanted = WantedUnit(
        name,
        enabled=was_there and before["enabled"] in _ENABLED,
        started=was_there and before["active"] in ("active", "activating", "reloading"),
    )
    _apply(host, wanted, state)
    _read_back(host, [wanted])


def reload_systemd(host: Host) -> None:
    """Let systemd read its files again."""
    _systemctl(host, "daemon-reload")


def restart_user_of(host: Host, path: str) -> None:
    """After a drop-in below /etc/systemd/system was restored: the unit that ran with it runs without it."""
    prefix = "/etc/systemd/system/"
    folder = path[len(prefix) :].split("/", 1)[0] if path.startswith(prefix) else ""
    if folder.endswith(".d"):
        _systemctl(host, "daemon-reload")
        _systemctl(host, "try-restart", folder[: -len(".d")])
