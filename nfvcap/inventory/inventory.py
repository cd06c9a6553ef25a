# SPDX-License-Identifier: Apache-2.0
"""An inventory: hosts, and for each host its validated intent."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcap.errors import UsageError
from nfvcap.inventory.locate import Files, find
from nfvcap.inventory.yamltree import Position, Tree
from nfvcap.model.intent import Intent
from nfvcap.model.intent_parse import Problem, dotted, parse_intent
from nfvcap.paths import data_dir

VARIABLE = "nfvcap"


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake in an inventory, with the place where it stands."""

    position: Position
    text: str

    def __str__(self) -> str:
        return f"{self.position}: {self.text}"


class Inventory:
    """One or several Ansible inventory sources, taken together as ``ansible-playbook -i A -i B`` does."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self._files = Files(sources)
        _must_exist(sources)
        self._files.read_all()
        _raise(_broken(self._files))
        from nfvcap.inventory.ansible_source import AnsibleSource

        self._ansible = AnsibleSource(sources, {"ANSIBLE_CONFIG": str(data_dir() / "ansible.cfg")})
        self.hosts: tuple[str, ...] = self._ansible.hosts()

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Hosts that match Ansible patterns (names, groups, ``!excluded``, ``&both``, wildcards).

        Raises:
            UsageError: NFV-CONF-004, a plain name that is neither host nor group, or nothing matches.
        """
        known = {*self.hosts, *self._ansible.groups()}
        for pattern in ",".join(patterns).split(","):
            name = pattern.strip().lstrip("!&")
            if name and name not in known and not set(name) & set("*?[]:~"):
                near = difflib.get_close_matches(name, sorted(known), n=1)
                raise UsageError(
                    "NFV-CONF-004",
                    f"there is no host or group {name} in the inventory",
                    f"hosts: {', '.join(self.hosts[:12])}{', …' if len(self.hosts) > 12 else ''}",
                    f"did you mean {near[0]}?" if near else "name one of these",
                )
        found = self._ansible.matching(patterns)
        if not found:
            raise UsageError("NFV-CONF-004", f"no host matches {','.join(patterns)}", "", "correct the pattern")
        return found

    def configured(self) -> tuple[str, ...]:
        """Hosts that have the variable ``nfvcap``."""
        return tuple(host for host in self.hosts if VARIABLE in self._ansible.variables(host))

    def variables(self, host: str) -> dict[str, Any]:
        """All of the host's Ansible variables as written."""
        return self._ansible.variables(host)

    def connection(self, host: str) -> dict[str, Any]:
        """How Ansible reaches the host: its ``ansible_*`` variables with templates filled in."""
        return self._ansible.connection(host)

    def intent(self, host: str) -> Intent:
        """The intent of one host; raises as :meth:`intents` does."""
        return self.intents([host])[host]

    def intents(self, hosts: Sequence[str]) -> dict[str, Intent]:
        """The intents of several hosts.

        Raises:
            UsageError: NFV-CONF-001 with every mistake of all these hosts, each with file, line and column;
                NFV-CONF-005 a host without the variable; NFV-CONF-006 a template that cannot be filled in.
        """
        intents, findings = self.check(hosts)
        _raise(findings)
        return intents

    def check(self, hosts: Sequence[str]) -> tuple[dict[str, Intent], list[Finding]]:
        """The intents of those hosts that have no mistakes, and the mistakes of the others by file and line.

        The same mistake of a group counts once, however many hosts share it.
        """
        intents: dict[str, Intent] = {}
        findings: set[Finding] = set()
        for host in hosts:
            intent, found = self._check(host)
            findings |= set(found)
            if intent is not None:
                intents[host] = intent
        return intents, sorted(findings)

    def _check(self, host: str) -> tuple[Intent | None, list[Finding]]:
        if VARIABLE not in self._ansible.variables(host):
            raise UsageError(
                "NFV-CONF-005",
                f"host {host} has no variable {VARIABLE}",
                "it says what the host shall be: huge pages, ports with VFs, guests",
                "add it to the host or to one of its groups; inventory/example.yml shows how",
            )
        raw = self._ansible.raw(host)
        tree = find(self._files, host, self._ansible.groups_of(host), raw, VARIABLE)
        linted = list(tree.lints()) if tree else []
        lints = [Finding(where, _text(what, why, fix)) for where, what, why, fix in linted]
        places = {where for where, *_ in linted}
        intent, problems = parse_intent(self._ansible.resolved(host))
        located = [(_position(tree, problem, host), problem) for problem in problems]
        # What YAML misread is reported as such, not a second time as the wrong value that came of it.
        findings = [Finding(where, self._sentence(problem)) for where, problem in located if where not in places]
        return (None if lints else intent), [*lints, *findings]

    @staticmethod
    def _sentence(problem: Problem) -> str:
        return f"{dotted(problem.path)}: {problem.text()}"


def _text(what: str, why: str, fix: str) -> str:
    return what + (f" ({why})" if why else "") + (f" — {fix}" if fix else "")


def _position(tree: Tree | None, problem: Problem, host: str) -> Position:
    return tree.locate(problem.path, problem.on_key) if tree else Position(f"host {host}")


def _must_exist(sources: Sequence[Path]) -> None:
    for source in sources:
        if not source.exists():
            raise UsageError(
                "NFV-CONF-002", f"there is no inventory {source}", "", "name an existing file or directory with -i"
            )


def _broken(files: Files) -> list[Finding]:
    return [Finding(error.position, f"this is not YAML: {error.text}") for error in files.broken]


def _raise(findings: Sequence[Finding]) -> None:
    if not findings:
        return
    count = "1 mistake" if len(findings) == 1 else f"{len(findings)} mistakes"
    lines = "".join(f"\n    {finding}" for finding in findings)
    fix = "correct these places; nothing was contacted"
    raise UsageError("NFV-CONF-001", f"the inventory has {count}", f"file:line:column: what is wrong{lines}", fix)


def load(sources: Sequence[Path]) -> Inventory:
    """Read an inventory; mistakes in hosts are only reported when their intent is asked for.

    Raises:
        UsageError: NFV-CONF-001 a file that is not YAML; NFV-CONF-002 a source that does not exist;
            NFV-CONF-003 a source that Ansible cannot read.
    """
    return Inventory(sources)
