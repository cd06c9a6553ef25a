# SPDX-License-Identifier: Apache-2.0
"""YAML with positions: where in a file a key or value stands, so that an error can point at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file; lines and columns count from 1. Line 0 means that the place is not known."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


class YamlError(Exception):
    """A file that is not YAML: where it stops being so, and what the parser says."""

    def __init__(self, position: Position, text: str) -> None:
        super().__init__(text)
        self.position, self.text = position, text


@dataclass(frozen=True)
class Tree:
    """A YAML value together with the file that it stands in."""

    path: Path
    node: Node

    def position(self) -> Position:
        return Position(str(self.path), self.node.start_mark.line + 1, self.node.start_mark.column + 1)

    def data(self) -> Any:
        """The value as plain data; tags that plain YAML does not know (``!vault``) become None."""
        return _construct(self.node)

    def items(self) -> Iterator[tuple[str, Tree, Tree]]:
        """Key text, key and value of a mapping; nothing for anything else."""
        if isinstance(self.node, MappingNode):
            for key, value in self.node.value:
                yield str(_construct(key)), Tree(self.path, key), Tree(self.path, value)

    def get(self, name: str) -> Tree | None:
        """The value under a key; the last one when there are several, as in YAML."""
        found = None
        for key, _, value in self.items():
            found = value if key == name else found
        return found

    def locate(self, path: tuple[str | int, ...], on_key: bool = False) -> Position:
        """Position of what stands under a path of keys and indexes, or of the nearest thing around it."""
        here, where = self, self.position()
        for depth, part in enumerate(path):
            found = here._step(part)
            if found is None:
                break
            key, here = found
            last = depth == len(path) - 1
            where = key.position() if (last and on_key) or _is_block(here.node) else here.position()
        return where

    def _step(self, part: str | int) -> tuple[Tree, Tree] | None:
        if isinstance(self.node, SequenceNode):
            if isinstance(part, int) and part < len(self.node.value):
                item = Tree(self.path, self.node.value[part])
                return item, item
            return None
        found = None
        for key, key_tree, value in self.items():
            found = (key_tree, value) if key == str(part) else found  # of several the last counts, as in YAML
        return found

    def lints(self) -> Iterator[tuple[Position, str, str, str]]:
        """What YAML accepts but nobody means: position, what, why, fix."""
        seen: dict[str, Position] = {}
        for key, key_tree, value in self.items():
            if key in seen:
                where = f"first in line {seen[key].line}"
                yield key_tree.position(), f"{key} is given twice", where, "YAML would silently use the last; keep one"
            seen.setdefault(key, key_tree.position())
            yield from value.lints()
        if isinstance(self.node, SequenceNode):
            for item in self.node.value:
                yield from Tree(self.path, item).lints()
        if isinstance(self.node, ScalarNode):
            yield from self._number_lint(self.node)

    def _number_lint(self, node: ScalarNode) -> Iterator[tuple[Position, str, str, str]]:
        text = node.value.lstrip("+-")
        if node.tag not in (_INT, _FLOAT):
            return
        if ":" in text:
            why = "unquoted digits with colons are a base-60 number in YAML 1.1"
            yield self.position(), f"YAML reads {node.value} as the number {self.data()}", why, f'write "{node.value}"'
        elif node.tag == _INT and len(text) > 1 and text[0] == "0" and text[1].isdigit():
            why = "a leading 0 makes it octal in YAML 1.1"
            yield self.position(), f"YAML reads {node.value} as the number {self.data()}", why, "remove the leading 0"


def _is_block(node: Node) -> bool:
    """Collections that begin on the line after their key: an error in them is better shown at the key."""
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style


class _Constructor(yaml.constructor.SafeConstructor):
    pass


_Constructor.add_constructor(None, lambda _self, _node: None)


def _construct(node: Node) -> Any:
    try:
        return _Constructor().construct_document(node)
    except yaml.YAMLError:
        return None


def read(path: Path) -> Tree | None:
    """Read a YAML file; None when it is empty.

    Raises:
        YamlError: it is not YAML.
        OSError: it cannot be read.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Position(str(path), mark.line + 1, mark.column + 1) if mark else Position(str(path))
        raise YamlError(where, error.problem or str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise YamlError(Position(str(path)), str(error)) from error
    return None if node is None else Tree(path, node)
