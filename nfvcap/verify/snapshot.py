# SPDX-License-Identifier: Apache-2.0
"""What the reader brought home from one host: raw texts, links and command output, addressed as on the host."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

SCHEMA = "nfvcap/snapshot/1"


class CannotJudge(Exception):
    """The system did not say what a check needs: neither good nor bad, and the message tells why."""


@dataclass(frozen=True)
class Said:
    """Output of one command on the host."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class Snapshot:
    """Read access to the raw document; absent things are None, unreadable ones raise :class:`CannotJudge`."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        if raw.get("schema") != SCHEMA:
            raise ValueError(f"the snapshot is of schema {raw.get('schema')!r}, not {SCHEMA}")
        self.raw = raw
        self._files: Mapping[str, str | None] = raw["files"]
        self._links: Mapping[str, str] = raw["links"]
        self._lists: Mapping[str, list[str]] = raw["lists"]

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Raises ``ValueError`` when the text is no snapshot."""
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise ValueError("the snapshot is not a JSON object")
        return cls(raw)

    def text(self, path: str) -> str | None:
        """Content of a file without surrounding white space; None when it does not exist."""
        if path in self.raw["unreadable"]:
            raise CannotJudge(f"{path} cannot be read: {self.raw['unreadable'][path]}")
        content = self._files.get(path)
        return None if content is None else content.strip()

    def number(self, path: str) -> int | None:
        """Content of a file as a number; None when it does not exist."""
        content = self.text(path)
        if content is None:
            return None
        try:
            return int(content)
        except ValueError as error:
            raise CannotJudge(f"{path} holds {content!r}, which is no number") from error

    def matching(self, pattern: str) -> dict[str, str]:
        """Existing files whose path matches the shell pattern, with their content, in order of path."""
        paths = sorted(fnmatch.filter(self._files, pattern))
        return {path: text for path in paths if (text := self.text(path)) is not None}

    def target(self, path: str) -> str | None:
        """Last component of what a symbolic link leads to; None when there is no such link."""
        resolved = self._links.get(path)
        return None if resolved is None else PurePosixPath(resolved).name

    def links(self, prefix: str) -> dict[str, str]:
        """Links whose path begins with ``prefix``: rest of the path → last component of the target."""
        return {
            path.removeprefix(prefix): PurePosixPath(target).name
            for path, target in self._links.items()
            if path.startswith(prefix)
        }

    def resolved(self, path: str) -> str | None:
        """The whole path that a link leads to."""
        return self._links.get(path)

    def names(self, path: str) -> tuple[str, ...] | None:
        """Entries of a directory; None when it does not exist."""
        entries = self._lists.get(path)
        return None if entries is None else tuple(entries)

    def said(self, name: str) -> Said:
        """Output of a command; whoever calls judges the exit status."""
        command = self.raw["commands"].get(name)
        if command is None:
            raise CannotJudge(f"the host was not asked for {name}")
        return Said(tuple(command["argv"]), command["rc"], command["stdout"], command["stderr"])

    def json_of(self, name: str) -> Any:
        """Decoded JSON output of a command that must have succeeded."""
        said = self.said(name)
        command = " ".join(said.argv)
        if said.rc != 0:
            raise CannotJudge(f"`{command}` failed with exit status {said.rc}: {said.stderr.strip()}")
        try:
            return json.loads(said.stdout or "[]")
        except ValueError as error:
            raise CannotJudge(f"`{command}` did not give JSON: {error}") from error
