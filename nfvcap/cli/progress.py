# SPDX-License-Identifier: Apache-2.0
"""Live progress per host and stage: a table that is redrawn on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nfvcap.apply.events import Event, Status, TaskBegins, TaskEnded
from nfvcap.apply.provision import STAGES, Stage
from nfvcap.cli.output import colourful, paint, say
from nfvcap.errors import NfvcapError

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_RUNTIME_ROLES = {"hugepages", "sriov", "driver_binding"}


@dataclass
class Cell:
    """One host in one stage."""

    began_s: float
    took_s: float | None = None
    error: NfvcapError | None = None
    doing: str = ""


class Progress:
    """Follows a run; a context manager that leaves nothing of the live table on the screen."""

    def __init__(self, hosts: tuple[str, ...], stages: tuple[Stage, ...] = STAGES) -> None:
        self.hosts, self.stages = hosts, stages
        self.cells: dict[tuple[str, Stage], Cell] = {}
        self._current: dict[str, Stage] = {}
        self._live: Live | None = None
        self._notes: list[str] = []

    def __enter__(self) -> Self:
        if colourful(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._table, console=Console(stderr=True), refresh_per_second=2, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
        for note in self._notes:
            say(note)

    def pause(self) -> None:
        """Take the live table off the screen, for a question or for the end."""
        if self._live is not None:
            self._live.stop()

    def resume(self) -> None:
        if self._live is not None:
            self._live.start()

    def stage(self, stage: Stage, hosts: tuple[str, ...]) -> None:
        """These hosts begin with a stage."""
        for host in hosts:
            self._enter(host, stage)

    def end(self, stage: Stage, host: str, error: NfvcapError | None) -> None:
        """A host got through a stage, or failed in it."""
        if host in self._current:
            stage = self._current.pop(host)
        cell = self.cells.setdefault((host, stage), Cell(time.monotonic()))
        cell.took_s, cell.error, cell.doing = time.monotonic() - cell.began_s, error, ""
        if self._live is None:
            say(_line(host, stage, f"failed: {error.what}" if error else f"ok, {cell.took_s:.1f} s"))

    def event(self, event: Event) -> None:
        """What Ansible reports while a stage runs."""
        if isinstance(event, TaskBegins | TaskEnded) and event.host in self._current:
            self._enter(event.host, _stage_of(event, self._current[event.host]))
            cell = self.cells[event.host, self._current[event.host]]
            cell.doing = f"{event.role}: {event.name}" if event.role else event.name
            if isinstance(event, TaskEnded) and event.status is Status.CHANGED and self._live is None:
                say(_line(event.host, self._current[event.host], f"changed: {cell.doing}"))
            if isinstance(event, TaskEnded):
                self._note(event)

    def _note(self, event: TaskEnded) -> None:
        """What a module wants people to know, without being an error; kept for the end while the table is live."""
        for note in event.data.get("nfvcap_notes") or ():
            line = _line(event.host, self._current[event.host], f"note: {note}")
            if self._live is None:
                say(line)
            else:
                self._notes.append(line)

    def _enter(self, host: str, stage: Stage) -> None:
        before = self._current.get(host)
        if before is stage:
            return
        if before is not None:
            cell = self.cells[host, before]
            cell.took_s, cell.doing = time.monotonic() - cell.began_s, ""
        self._current[host] = stage
        self.cells[host, stage] = Cell(time.monotonic())
        if self._live is None and stage in (Stage.BOOT, Stage.REBOOT, Stage.RUNTIME, Stage.RESTORE):
            say(_line(host, stage, "…"))

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("host", *self.stages, ""):
            table.add_column(str(title), no_wrap=True)
        for host in self.hosts:
            current = self._current.get(host)
            doing = self.cells[host, current].doing if current else ""
            table.add_row(host, *(self._mark(host, stage) for stage in self.stages), Text(doing, style="dim"))
        return table

    def _mark(self, host: str, stage: Stage) -> str:
        cell = self.cells.get((host, stage))
        if cell is None:
            return "[dim]·[/dim]"
        if cell.error is not None:
            return "[red bold]failed[/red bold]"
        if cell.took_s is None:
            return f"[cyan]… {time.monotonic() - cell.began_s:.0f} s[/cyan]"
        return f"[green]✓ {cell.took_s:.1f} s[/green]"


def _stage_of(event: TaskBegins | TaskEnded, current: Stage) -> Stage:
    """One process can run several stages: the task tells which one it is now."""
    action = event.action.rsplit(".", 1)[-1]
    if action == "nfvcap_facts":
        return Stage.FACTS
    if action == "reboot":
        return Stage.REBOOT
    # Only its end tells whether a task was skipped: a run that stops at the reboot skips all of the stage after it.
    done = isinstance(event, TaskEnded) and event.status is not Status.SKIPPED
    # The one file that no role writes is the plan, left on the host as the last step of that stage.
    late = event.role in _RUNTIME_ROLES or (not event.role and action == "nfvcap_file")
    return Stage.RUNTIME if done and late and current is not Stage.FACTS else current


def _line(host: str, stage: Stage, text: str) -> str:
    return f"{paint(host, 'head')}  {stage:<8}{text}"
