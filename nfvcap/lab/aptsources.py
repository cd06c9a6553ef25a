# SPDX-License-Identifier: Apache-2.0
"""Where this machine gets its own packages from, by apt's sources: one-line style and deb822 style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_SIGNED_BY = re.compile(r"signed-by=(\S+)")
_FIELD = re.compile(r"(?P<name>[A-Za-z0-9-]+):(?P<value>.*)")


@dataclass(frozen=True)
class AptSource:
    """One suite of one archive with binary packages.

    Args:
        signed_by: path of its keyring; "" for those that apt trusts anyway.
    """

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def read(root: Path = Path("/")) -> list[AptSource]:
    """All sources of a machine that are switched on, in apt's order of files; unreadable files count as empty."""
    folder = root / "etc/apt"
    parts = sorted((folder / "sources.list.d").glob("*")) if (folder / "sources.list.d").is_dir() else []
    found: list[AptSource] = []
    for path in [folder / "sources.list", *parts]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            found += one_line(text)
        elif path.suffix == ".sources":
            found += deb822(text)
    return found


def one_line(text: str) -> list[AptSource]:
    """Sources of a ``.list`` file."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.split("#")[0].strip())
        if match:
            signed = _SIGNED_BY.search(match["options"] or "")
            found.append(
                AptSource(match["uri"], match["suite"], tuple(match["components"].split()), signed[1] if signed else "")
            )
    return found


def deb822(text: str) -> list[AptSource]:
    """Sources of a ``.sources`` file."""
    return [source for stanza in re.split(r"\n\s*\n", text) for source in _of_stanza(_fields(stanza))]


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        match = _FIELD.fullmatch(line)
        if match:
            name = match["name"].lower()
            fields[name] = match["value"].strip()
        elif name and line[:1].isspace():
            fields[name] += "\n" + line.strip()
    return fields


def _of_stanza(fields: dict[str, str]) -> Iterator[AptSource]:
    if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
        return
    keyring = fields.get("signed-by", "")
    for uri in fields.get("uris", "").split():
        for suite in fields.get("suites", "").split():
            components = tuple(fields.get("components", "").split())
            yield AptSource(uri, suite, components, keyring if keyring.startswith("/") else "")


def release(root: Path = Path("/")) -> dict[str, str]:
    """Fields of ``/etc/os-release``; empty when there is none."""
    try:
        text = (root / "etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, value in pairs}


def own_archive(root: Path = Path("/"), pocket: str = "") -> AptSource | None:
    """The archive of the machine's distribution: what its own release came from; None when it is not to be told.

    Args:
        pocket: ``-security`` for the archive of security updates.
    """
    system = release(root)
    suite = f"{system.get('VERSION_CODENAME', '')}{pocket}"
    folder = f"/{system.get('ID', '')}" + (pocket if system.get("ID") == "debian" else "")
    for source in read(root):
        # Third parties name their suites after the release as well, and keep them in other folders.
        plain = source.uri.startswith(("http://", "https://")) and source.uri.rstrip("/").endswith(folder)
        if plain and source.suite == suite and "main" in source.components:
            return source
    return None
