# SPDX-License-Identifier: Apache-2.0
"""Where in the inventory's files a host's variable ``nfvcap`` stands.

Ansible decides what the variable is; here only its text is found, by looking through the YAML files where Ansible
looks. Of several places the one counts whose content is what Ansible gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nfvcap.inventory.yamltree import Tree, YamlError, read

_YAML = (".yml", ".yaml", ".json")
# Files beside an inventory that Ansible does not take for inventories.
_IGNORED = (".cfg", ".ini", ".orig", ".bak", ".retry", ".pyc", ".pyo", "~")


class Files:
    """The YAML files of an inventory, each read once."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self.sources = tuple(sources)
        self._trees: dict[Path, Tree | None] = {}
        self.broken: list[YamlError] = []

    def tree(self, path: Path) -> Tree | None:
        """Content of a file; None when it is empty, vaulted, unreadable or not YAML (then it is in ``broken``)."""
        if path not in self._trees:
            self._trees[path] = None
            try:
                if not _vaulted(path):
                    self._trees[path] = read(path)
            except YamlError as error:
                self.broken.append(error)
            except OSError:
                pass  # Ansible reports it, with the reason
        return self._trees[path]

    def inventories(self) -> Iterator[Path]:
        """Inventory files in YAML, those in directories included."""
        for source in self.sources:
            yield from _inventory_files(source)

    def variable_files(self, kind: str, name: str) -> Iterator[Path]:
        """Files of ``host_vars`` or ``group_vars`` for one host or group, the last ones in Ansible's order first."""
        for source in reversed(self.sources):
            base = (source if source.is_dir() else source.parent) / kind
            for path in (*(base / f"{name}{suffix}" for suffix in ("", *_YAML)),):
                if path.is_dir():
                    inside = (file for file in path.rglob("*") if file.is_file() and file.suffix in ("", *_YAML))
                    yield from sorted(inside, reverse=True)
                elif path.is_file():
                    yield path

    def read_all(self) -> None:
        """Read every file, so that ``broken`` is complete."""
        for path in self.inventories():
            self.tree(path)
        for source in self.sources:
            base = source if source.is_dir() else source.parent
            for kind in ("host_vars", "group_vars"):
                for path in sorted((base / kind).rglob("*")):
                    if path.is_file() and path.suffix in _YAML:
                        self.tree(path)


def _vaulted(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(14) == b"$ANSIBLE_VAULT"


def _inventory_files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        for path in sorted(source.iterdir()):
            if path.name not in ("host_vars", "group_vars") and not path.name.startswith("."):
                yield from _inventory_files(path)
    elif source.suffix in _YAML and not source.name.endswith(_IGNORED):
        yield source


def find(files: Files, host: str, groups: Sequence[str], raw: Any, variable: str) -> Tree | None:
    """The place where the host's variable stands; None when no YAML file has it (INI, scripts, plugins)."""
    candidates = list(_candidates(files, host, groups, variable))
    return next((tree for tree in candidates if tree.data() == raw), None)


def _candidates(files: Files, host: str, groups: Sequence[str], variable: str) -> Iterator[Tree]:
    """Places in the order in which they win: the host before its groups, files beside the inventory before it."""
    yield from _in_files(files, "host_vars", host, variable)
    for path in files.inventories():
        tree = files.tree(path)
        if tree is not None:
            yield from _of_hosts(tree, host, variable)
    for group in groups:
        yield from _in_files(files, "group_vars", group, variable)
        for path in files.inventories():
            tree = files.tree(path)
            if tree is not None:
                yield from _of_group(tree, group, variable)


def _in_files(files: Files, kind: str, name: str, variable: str) -> Iterator[Tree]:
    for path in files.variable_files(kind, name):
        tree = files.tree(path)
        found = tree.get(variable) if tree is not None else None
        if found is not None:
            yield found


def _groups(tree: Tree) -> Iterator[tuple[str, Tree]]:
    for name, _, group in tree.items():
        yield name, group
        children = group.get("children")
        if children is not None:
            yield from _groups(children)


def _of_hosts(tree: Tree, host: str, variable: str) -> Iterator[Tree]:
    for _, group in _groups(tree):
        hosts = group.get("hosts")
        for name, _, variables in hosts.items() if hosts is not None else ():
            # A range such as node[1:4] may mean this host; its content decides.
            found = variables.get(variable) if name == host or "[" in name else None
            if found is not None:
                yield found


def _of_group(tree: Tree, wanted: str, variable: str) -> Iterator[Tree]:
    for name, group in _groups(tree):
        variables = group.get("vars") if name == wanted else None
        found = variables.get(variable) if variables is not None else None
        if found is not None:
            yield found
