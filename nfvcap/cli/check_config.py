# SPDX-License-Identifier: Apache-2.0
"""``nfvcap check-config``: is the inventory in order? Nothing is contacted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from nfvcap.cli.options import format_option, hosts_argument, inventory_option
from nfvcap.cli.output import emit, plural, say
from nfvcap.errors import ExitCode
from nfvcap.inventory.inventory import Finding, load
from nfvcap.model.intent import Intent


@click.command(name="check-config")
@hosts_argument(required=False)
@inventory_option
@format_option("text", "json")
def check_config(hosts: tuple[str, ...], inventory: tuple[Path, ...], fmt: str) -> int:
    """Validate an inventory without connecting to anything.

    Without HOST all hosts that have the variable nfvcap are looked at. All mistakes are shown at once, each with
    file, line and column (exit code 2).
    """
    from nfvcap.cli.sources import find

    sources, origin = find(inventory)
    found = load(sources)
    chosen = found.select(hosts) if hosts else found.configured()
    intents, findings = found.check(chosen)
    if fmt == "json":
        emit(_json(intents, findings))
    else:
        _text(sources, origin, intents, findings)
    return int(ExitCode.USAGE if findings else ExitCode.OK)


def _json(intents: dict[str, Intent], findings: Sequence[Finding]) -> str:
    listed = [asdict(finding.position) | {"text": finding.text} for finding in findings]
    wanted = {host: intent.model_dump(mode="json", by_alias=True) for host, intent in intents.items()}
    return json.dumps({"ok": not findings, "findings": listed, "intents": wanted}, indent=2)


def _text(sources: Sequence[Path], origin: str, intents: dict[str, Intent], findings: Sequence[Finding]) -> None:
    say(f"inventory: {', '.join(map(str, sources))} ({origin})")
    for finding in findings:
        emit(str(finding))
    for host, intent in intents.items():
        emit(f"{host}: ok, {summary(intent)}")
    if findings:
        say(f"{plural(len(findings), 'mistake')} found")
    elif not intents:
        say("no host of the inventory has the variable nfvcap: see inventory/example.yml")


def summary(intent: Intent) -> str:
    """What a host is to have, in a few words."""
    vfs = sum(port.vfs for port in intent.pfs)
    pages = "huge pages auto" if intent.hugepages is None else plural(len(intent.hugepages), "huge page pool")
    ports, guests = plural(len(intent.pfs), "port"), plural(len(intent.guests), "guest")
    return f"{ports} with {plural(vfs, 'VF')}, {guests}, {pages}"
