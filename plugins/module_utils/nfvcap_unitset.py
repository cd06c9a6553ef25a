# SPDX-License-Identifier: Apache-2.0
"""systemd units as they shall be: their files and drop-ins, enabled, started, running with the settings of now."""

from __future__ import annotations

from dataclasses import dataclass

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_hostfile import WantedFile, differs, put_file, record_file, shown
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome
from .nfvcap_unit import FOLDER, UnitState, read_units, systemctl

SETTLE_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class WantedUnits:
    """Units that shall all be alike.

    Attributes:
        names: full names.
        files: unit files and drop-ins of these units; a unit whose own file shall not exist is disabled and stopped.
        enabled: whether they start at boot; None leaves that alone.
        started: whether they run now; None leaves that alone, but what runs is restarted when its drop-in changes.
    """

    names: tuple[str, ...]
    files: tuple[WantedFile, ...] = ()
    enabled: bool | None = None
    started: bool | None = None

    def own_file(self, name: str) -> WantedFile | None:
        """The unit's own file, if it is one of ours."""
        return next((file for file in self.files if file.path == FOLDER + name), None)

    def drop_ins(self, name: str) -> list[WantedFile]:
        return [file for file in self.files if file.path.startswith(f"{FOLDER}{name}.d/")]

    def is_unwanted(self, name: str) -> bool:
        file = self.own_file(name)
        return file is not None and file.content is None


def set_units(host: Host, wanted: WantedUnits, outcome: Outcome, check: bool, tolerate_absent: bool = False) -> None:
    """Write the files, let systemd read them, then enable, start and restart what is wanted; read back.

    Args:
        tolerate_absent: in check mode, units of packages that a real run would have installed by now are only noted.

    Raises:
        Failure: NFV-LEDGER-007 unknown unit, or one that does not become what is wanted; -008 masked; -005 a file.
    """
    states = read_units(host, list(wanted.names))
    files = [file for file in wanted.files if differs(host, file)]
    for file in files:
        outcome.add(f"file:{file.path}", *shown(host, file))
    for name in wanted.names:
        if not states[name].exists and check and tolerate_absent:
            outcome.notes.append(f"{name} comes with packages that are not installed yet")
            continue
        for part, before, after in _changes(wanted, name, states[name], files):
            outcome.add(f"unit:{name}:{part}", before, after)
    if check or not outcome.changes:
        return
    outcome.begun = True
    _record(host, wanted, states, files)
    _apply(host, wanted, states, files)
    _read_back(host, wanted)


def _changes(
    wanted: WantedUnits, name: str, state: UnitState, files: list[WantedFile]
) -> list[tuple[str, object, object]]:
    """What has to be done to one unit as (part, before, after), given the files that will be written."""
    if wanted.is_unwanted(name):
        return [("enabled", True, False)] if state.is_enabled else []
    if state.load == "masked" and (wanted.enabled or wanted.started):
        raise Failure(
            "NFV-LEDGER-008",
            f"{name} is masked",
            "somebody forbade to start it",
            f"`systemctl unmask {name}`, or take it out of the plan",
        )
    found: list[tuple[str, object, object]] = []
    if wanted.enabled is not None and wanted.enabled != state.is_enabled:
        found.append(("enabled", state.is_enabled, wanted.enabled))
    if wanted.started is not None and wanted.started != state.is_active:
        found.append(("started", state.is_active, wanted.started))
    elif state.is_active and _has_other_settings(wanted, name, state, files):
        found.append(("settings", "of before", "as its files say"))
    elif state.needs_reload and not files:
        found.append(("files", "of before", "read again"))
    return found


def _has_other_settings(wanted: WantedUnits, name: str, state: UnitState, files: list[WantedFile]) -> bool:
    """A drop-in is about to change, has changed without systemd's knowledge, or without the process's."""
    drop_ins = wanted.drop_ins(name)
    return state.stale or any(file in files for file in drop_ins) or (state.needs_reload and bool(drop_ins))


def _record(host: Host, wanted: WantedUnits, states: dict[str, UnitState], files: list[WantedFile]) -> None:
    """Files first: going backwards, a unit is disabled before its file goes."""
    ledger = Ledger(host)
    for file in files:
        record_file(host, ledger, file.path)
    touched = [name for name in wanted.names if _changes(wanted, name, states[name], files)]
    ledger.record_all([(f"unit:{name}", "unit", states[name].as_before()) for name in touched])


def _apply(host: Host, wanted: WantedUnits, states: dict[str, UnitState], files: list[WantedFile]) -> None:
    for name in wanted.names:
        if wanted.is_unwanted(name) and states[name].exists:
            systemctl(host, "disable", "--now", name)
    for file in files:
        put_file(host, file)
    if files or any(state.needs_reload or not state.exists for state in states.values()):
        systemctl(host, "daemon-reload")
    for name in wanted.names:
        # Asked before the files were written: what follows is what was announced, neither more nor less.
        for part, _, after in _changes(wanted, name, states[name], files):
            if part == "enabled" and not wanted.is_unwanted(name):
                systemctl(host, "enable" if after else "disable", name)
            elif part == "started":
                systemctl(host, "start" if after else "stop", name)
            elif part == "settings":
                systemctl(host, "restart", name)


def _read_back(host: Host, wanted: WantedUnits) -> None:
    # A started process has systemd's own environment for a moment, until it becomes the program.
    if host.wait_until(lambda: not _unlike(host, wanted), SETTLE_TIMEOUT_S, 0.1):
        return
    for name, state in _unlike(host, wanted).items():
        raise Failure(
            "NFV-LEDGER-007",
            f"{name} did not become what is wanted",
            f"it is {state}",
            f"`systemctl status {name}` and `journalctl -u {name}` on the host say more",
        )


def _unlike(host: Host, wanted: WantedUnits) -> dict[str, UnitState]:
    """Units that are not as wanted."""
    found = {}
    for name, state in read_units(host, list(wanted.names)).items():
        lacking = not state.exists and not wanted.is_unwanted(name) and (wanted.enabled or wanted.started)
        if lacking or _changes(wanted, name, state, []):
            found[name] = state
    return found
