# SPDX-License-Identifier: Apache-2.0
"""Runs playbooks: one ``ansible-playbook`` process, its events as they happen, its failures as explained errors."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nfvcap.apply.events import SCHEMA, Ended, Event, Started, TaskEnded, parse
from nfvcap.apply.failures import explain
from nfvcap.apply.process import follow
from nfvcap.apply.rundir import RunDir
from nfvcap.errors import NfvcapError
from nfvcap.paths import data_dir
from nfvcap.run import pasteable, tail

_CALLBACK = "nfvcap_events"


@dataclass(frozen=True)
class Target:
    """Where to run: inventory sources, host names (already resolved), how many at a time, who logs."""

    inventory: tuple[Path, ...]
    hosts: tuple[str, ...]
    run_dir: RunDir
    forks: int = 10


@dataclass
class Outcome:
    """What a run did: every finished task, and for each host that failed the reason."""

    results: list[TaskEnded] = field(default_factory=list)
    failures: dict[str, NfvcapError] = field(default_factory=dict)

    def changed(self, host: str) -> list[TaskEnded]:
        return [result for result in self.results if result.host == host and result.status == "changed"]

    def data(self, host: str, key: str) -> Any:
        """The last value that a task of this host returned under ``key``; None when there was none."""
        values = [result.data[key] for result in self.results if result.host == host and key in result.data]
        return values[-1] if values else None


def playbook_path(name: str) -> Path:
    return data_dir() / "playbooks" / f"{name}.yml"


def run_playbooks(
    names: Sequence[str],
    target: Target,
    *,
    variables: Mapping[str, Any],
    timeout_s: float,
    check: bool = False,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Outcome:
    """Run playbooks one after the other in one process (a process costs about a second of CPU time).

    Args:
        names: playbooks without directory and suffix, ``("provision", "facts")``; or paths that end in .yml.
        target: hosts and where to log.
        variables: extra variables.
        timeout_s: limit for the whole process.
        check: check mode with diff: report, change nothing.
        on_event: called for each event, in order.

    Raises:
        NfvcapError: when Ansible as such failed (NFV-RUN-004, -005, -006, -007); failures of hosts are in the outcome.
    """
    paths = [Path(name) if name.endswith(".yml") else playbook_path(name) for name in names]
    files = target.run_dir.next_files("-".join(path.stem for path in paths))
    files.variables.write_text(json.dumps(variables))
    argv: list[str | Path] = [*_program("playbook"), *paths, "-e", f"@{files.variables}", "-f", str(target.forks)]
    argv += [word for source in target.inventory for word in ("-i", source)]
    argv += ["--limit", ",".join(target.hosts), *(["--check", "--diff"] if check else [])]
    env = environment()
    reader = _Reader(on_event, " ".join(f"-i {shlex.quote(str(source))}" for source in target.inventory))
    with files.events.open("a") as copy:

        def on_line(line: str) -> None:
            copy.write(line + "\n")
            reader.take(line)

        returncode = follow(
            argv, timeout_s=timeout_s, env=env, log=files.log, events_variable="NFVCAP_EVENTS", on_line=on_line
        )
    reader.judge(returncode, files.log, pasteable(argv, env))
    return reader.outcome


def environment() -> dict[str, str]:
    """Variables that make Ansible find what is shipped, whatever the current directory or the user's own files say."""
    data = data_dir()
    return {
        "ANSIBLE_CONFIG": str(data / "ansible.cfg"),
        "ANSIBLE_LIBRARY": str(data / "plugins" / "modules"),
        "ANSIBLE_MODULE_UTILS": str(data / "plugins" / "module_utils"),
        "ANSIBLE_CALLBACK_PLUGINS": str(data / "plugins" / "callback"),
        "ANSIBLE_ROLES_PATH": str(data / "roles"),
        "ANSIBLE_CALLBACKS_ENABLED": _CALLBACK,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        # Finding the interpreter out would cost a round trip per host and process; the inventory can name another.
        "ANSIBLE_PYTHON_INTERPRETER": os.environ.get("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3"),
        # Ansible refuses to run in a locale that is not UTF-8, and messages are looked at for their wording.
        "LC_ALL": "C.UTF-8",
    }


def _program(name: str) -> list[str | Path]:
    beside = Path(sys.executable).with_name(f"ansible-{name}")
    return [beside] if os.access(beside, os.X_OK) else [sys.executable, "-m", "ansible", name]


class _Reader:
    """Collects events into an outcome."""

    def __init__(self, on_event: Callable[[Event], None], inventory: str) -> None:
        self.outcome = Outcome()
        self._on_event, self._inventory = on_event, inventory
        self._schema = ""
        self._ended = False

    def take(self, line: str) -> None:
        event = parse(line)
        match event:
            case Started(schema):
                self._schema = schema
            case TaskEnded():
                self.outcome.results.append(event)
                if event.failed:
                    self.outcome.failures[event.host] = explain(event, self._inventory)
            case Ended():
                self._ended = True
        if event is not None:
            self._on_event(event)

    def judge(self, returncode: int, log: Path, command: str) -> None:
        """Tell a run that came to its end from one that did not, whatever it did to the hosts."""
        said = f"the log {log} ends with:\n" + tail(log.read_text(errors="replace"))
        if returncode < 0:
            raise NfvcapError(
                "NFV-RUN-005", f"ansible-playbook was killed by signal {-returncode}", said, f"run again: {command}"
            )
        if self._schema != SCHEMA:
            raise NfvcapError(
                "NFV-RUN-004",
                "ansible-playbook could not start" if not self._schema else "the callback plugin is of another version",
                said,
                f"try it by hand: {command}",
            )
        if not self._ended or (returncode != 0 and not self.outcome.failures):
            raise NfvcapError(
                "NFV-RUN-007",
                f"ansible-playbook ended early with exit status {returncode}",
                said,
                f"try it by hand: {command}",
            )
