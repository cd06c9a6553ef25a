# SPDX-License-Identifier: Apache-2.0
"""Boot Loader Specification entries, as GRUB of the RHEL family reads them: order, default, kernel arguments."""

from __future__ import annotations

import re

from .nfvcap_grub import command_line

FOLDER = "/boot/loader/entries"


def parse_entry(text: str) -> dict[str, str]:
    """Keys of one entry; several `options` lines are one."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        value = value.strip()
        found[key] = f"{found[key]} {value}" if key == "options" and key in found else value
    return found


def order(names: list[str]) -> list[str]:
    """File names as the menu shows them: newest version first."""
    return sorted(names, key=_version, reverse=True)


def _version(name: str) -> list[tuple[int, int, str]]:
    """As RPM compares versions: numbers as numbers, and a number is newer than a word."""
    parts = re.findall(r"\d+|[a-zA-Z]+", name[: -len(".conf")] if name.endswith(".conf") else name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def default_entry(entries: dict[str, dict[str, str]], name: str) -> str | None:
    """File name of the default entry: `name` is an id (file name without `.conf`), a title, or a number."""
    ordered = order(list(entries))
    for file_name in ordered:
        if name in (file_name, file_name[: -len(".conf")], entries[file_name].get("title")):
            return file_name
    if name.isdigit() and int(name) < len(ordered):
        return ordered[int(name)]
    return ordered[0] if ordered else None


def entry_command_line(entry: dict[str, str], variables: dict[str, str]) -> str:
    """The kernel command line that an entry gives, with `$kernelopts` and the like filled in."""
    return command_line(f"{entry.get('linux', '')} {entry.get('options', '')}", variables)
