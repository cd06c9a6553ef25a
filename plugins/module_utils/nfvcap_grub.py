# SPDX-License-Identifier: Apache-2.0
"""A generated grub.cfg, read as GRUB would run it: which menu entry is the default and what it passes to Linux."""

from __future__ import annotations

import re
import shlex

_OPENS = re.compile(r"^\s*(menuentry|submenu)\b(.*)\{\s*$")
_SET = re.compile(r"^\s*set\s+(\w+)=(.*)$", re.M)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LINUX = re.compile(r"^\s*(?:linux|linux16|linuxefi)\s+(\S.*)$")


class Entry:
    """A menu entry or submenu: how it can be named, and what is in it."""

    def __init__(self, title: str, ident: str) -> None:
        self.title, self.ident = title, ident
        self.entries: list[Entry] = []
        self.linux: list[str] = []

    def find(self, name: str) -> Entry | None:
        """The entry that a part of GRUB's `default` names: by number, else by id or title."""
        if name.isdigit() and int(name) < len(self.entries):
            return self.entries[int(name)]
        return next((entry for entry in self.entries if name and name in (entry.ident, entry.title)), None)


def environment(text: str | None) -> dict[str, str]:
    """Variables of a grubenv block."""
    lines = (line.partition("=") for line in (text or "").splitlines() if not line.startswith("#"))
    return {key: value for key, equals, value in lines if equals}


def expand(text: str, variables: dict[str, str]) -> str:
    """`$name` and `${name}` replaced; unknown variables are empty, as in GRUB."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def default_name(config: str, env: dict[str, str]) -> str:
    """What `default` will be at the next boot: a one-time choice wins over the saved or configured one."""
    values = [value.strip().strip("\"'") for name, value in _SET.findall(config) if name == "default"]
    if any("next_entry" in value for value in values) and env.get("next_entry"):
        return env["next_entry"]
    configured = [value for value in values if "next_entry" not in value]
    return expand(configured[-1], env) if configured else "0"


def menu(config: str) -> Entry:
    """The menu of a grub.cfg as a tree; conditions around entries are taken as true."""
    top = Entry("", "")
    open_blocks: list[Entry | None] = []
    current = top
    for line in config.splitlines():
        opens = _OPENS.match(line)
        if opens:
            entry = _entry(opens[2])
            current.entries.append(entry)
            open_blocks.append(current)
            current = entry
        elif line.rstrip().endswith("{"):
            open_blocks.append(None)
        elif line.strip() == "}" and open_blocks:
            current = open_blocks.pop() or current
        else:
            found = _LINUX.match(line)
            if found:
                current.linux.append(found[1])
    return top


def _entry(words_text: str) -> Entry:
    words = _words(words_text)
    ident = ""
    for marker in ("$menuentry_id_option", "--id"):
        if marker in words[:-1]:
            ident = words[words.index(marker) + 1]
    return Entry(words[0] if words else "", ident)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # unbalanced quotes: better words with quotes in them than none
        return text.split()


def choose(top: Entry, name: str) -> Entry | None:
    """The entry that `default` leads to (`1>2`, `id>id`); as GRUB does, the first one when there is no such entry."""
    entry: Entry | None = top
    for part in name.split(">"):
        entry = entry.find(part) if entry else None
    entry = entry or (top.entries[0] if top.entries else None)
    while entry and entry.entries:
        entry = entry.entries[0]
    return entry


def command_line(linux: str, variables: dict[str, str]) -> str:
    """What the kernel gets from `linux PATH ARGUMENTS…`: GRUB puts BOOT_IMAGE=PATH in front."""
    image, *arguments = _words(expand(linux, variables))
    return " ".join([f"BOOT_IMAGE={image}", *(_quoted(word) for word in arguments)])


def _quoted(word: str) -> str:
    if not any(letter.isspace() for letter in word):
        return word
    key, equals, value = word.partition("=")
    return f'{key}="{value}"' if equals else f'"{word}"'
