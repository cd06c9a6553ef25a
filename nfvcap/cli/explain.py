# SPDX-License-Identifier: Apache-2.0
"""``nfvcap explain``: what an id of an error or check means."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict

import click

from nfvcap import catalogue
from nfvcap.cli import completion
from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, paint
from nfvcap.errors import UsageError


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completion.ids)
@click.option("--list", "list_all", is_flag=True, help="List all ids with their titles.")
@format_option("text", "json")
def explain(ids: tuple[str, ...], list_all: bool, fmt: str) -> None:
    """Explain a check or error by its ID (NFV-RUN-001; run-1 will do)."""
    if list_all == bool(ids):
        raise click.UsageError("Give either ids or --list.")
    entries = list(catalogue.load().values()) if list_all else [_find(text) for text in ids]
    if fmt == "json":
        emit(json.dumps([asdict(entry) for entry in entries], indent=2))
    elif list_all:
        for entry in entries:
            emit(f"{entry.id:<15} {entry.title}")
    else:
        emit("\n\n".join(_text(entry) for entry in entries))


def _find(text: str) -> catalogue.Entry:
    wanted = catalogue.canonical(text)
    found = catalogue.load().get(wanted)
    if found is None:
        near = catalogue.near(text)
        raise UsageError(
            "NFV-CLI-001",
            f"there is no {wanted}",
            "",
            f"did you mean {' or '.join(near[:5])}?" if near else "nfvcap explain --list shows all ids",
        )
    return found


def _text(entry: catalogue.Entry) -> str:
    lines = [paint(f"{entry.id}  {entry.title}", "head")]
    for label, text in (("why", entry.why), ("fix", entry.fix)):
        lines += textwrap.wrap(
            text, 96, initial_indent=f"  {label}: ", subsequent_indent="       ", break_on_hyphens=False
        )
    return "\n".join(lines)
