# SPDX-License-Identifier: Apache-2.0
"""What a shell proposes for words that only nfvcap knows: hosts of the inventory, ids of the catalogue."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def hosts(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts of the inventory that the line names so far; none when it cannot be read: no place for errors."""
    from nfvcap.cli.sources import find
    from nfvcap.errors import NfvcapError
    from nfvcap.inventory import load

    logging.disable(logging.CRITICAL)
    try:
        known: Iterable[str] = load(find(context.params.get("inventory") or ())[0]).hosts
    except (NfvcapError, OSError):
        return []
    chosen = set(context.params.get("hosts") or ())
    return [CompletionItem(host) for host in known if host.startswith(incomplete) and host not in chosen]


def ids(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of errors and checks, with their titles where a shell shows such."""
    from nfvcap import catalogue

    start = incomplete.upper()
    return [
        CompletionItem(name, help=entry.title) for name, entry in catalogue.load().items() if name.startswith(start)
    ]
