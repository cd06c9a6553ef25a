# SPDX-License-Identifier: Apache-2.0
"""Verbs in this process with hand-made facts and answers in place of hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.apply.events import Status, TaskEnded
from nfvcap.apply.provision import Batch
from nfvcap.cli.main import cli
from nfvcap.errors import NfvcapError
from nfvcap.model.facts import Facts

Nfvcap = Callable[..., Result]


class Playbooks:
    """What was asked of the playbooks, and what they answer.

    Attributes:
        runs: each run: ``names``, ``hosts``, ``variables``, ``check``, …
        error: what the first host of every run says.
    """

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.error: NfvcapError | None = None

    def facts(self, host: str) -> Facts:
        """Facts of a host."""
        raise NotImplementedError

    def answer(self, run: dict[str, Any], host: str) -> dict[str, Any]:
        """What the tasks of a run return on a host."""
        raise NotImplementedError

    def collect(self, target: Target, on_event: Any = None) -> Batch[Facts]:
        return Batch({host: self.facts(host) for host in target.hosts}, {})

    def run(self, names: list[str], target: Target, **options: Any) -> Outcome:
        run = {"names": names, "hosts": target.hosts, **options}
        self.runs.append(run)
        ended = [
            TaskEnded(host, "", "x", names[0], Status.CHANGED, False, 0.1, self.answer(run, host))
            for host in target.hosts
        ]
        return Outcome(ended, {target.hosts[0]: self.error} if self.error else {})

    def stand_in(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        """Take the place of facts and of the playbooks that these modules of nfvcap.apply run."""
        monkeypatch.setattr(facts_reader, "collect", self.collect)
        for module in modules:
            monkeypatch.setattr(module, "run_playbooks", self.run)


def command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, inventory: str, *verb: str) -> Nfvcap:
    """``nfvcap("list", "host1")`` in this process, with an inventory and a state directory in ``folder``."""
    (folder / "hosts.yml").write_text(inventory)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("NFVCAP_INVENTORY", str(folder / "hosts.yml"))
    return lambda *argv: CliRunner().invoke(cli, [*verb, *argv], standalone_mode=False)


def code(result: Result) -> str:
    """The code of the error that a verb ended with."""
    assert isinstance(result.exception, NfvcapError), result.exception
    return result.exception.code
