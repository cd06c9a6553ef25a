# SPDX-License-Identifier: Apache-2.0
"""``nfvcap detach-vf``: a guest gives its VF back, and the VF becomes what it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import attach as applying
from nfvcap.attach.release import has_any, which
from nfvcap.cli import attach_view
from nfvcap.cli.consent import may_change
from nfvcap.cli.guest_host import find_place, host_options, operator
from nfvcap.cli.options import format_option, yes_option
from nfvcap.cli.output import emit, paint, say
from nfvcap.errors import ExitCode, UsageError

SCHEMA = "nfvcap/detached/1"


@click.command()
@click.argument("guest")
@host_options
@click.option("--pf", default="", metavar="PF", help="Port of the VF, when --vf is a number.")
@click.option("--vf", default="", metavar="VF", help="Which VF, when the guest has several: ens1f0:vf3, 0000:81:10.3.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1, 3600), default=60, show_default=True, metavar="S",
              help="How long the guest may take to release the device.")  # fmt: skip
@click.option("--force", is_flag=True, help="Power the guest off like a pulled plug; what it has not written to disk "
              "is lost. For a guest that does not release its VF.")  # fmt: skip
@yes_option
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@format_option("text", "json")
def detach_vf(
    *, guest: str, host: str, inventory: tuple[Path, ...], pf: str, vf: str, timeout_s: float, force: bool, yes: bool,
    dry_run: bool, fmt: str,
) -> int:  # fmt: skip
    """Take a VF from GUEST: wait for its release, restore every attribute and the driver, free the VF.

    A dry run ends with exit code 3.
    """
    place = find_place("detach-vf", guest, host, inventory, also=lambda facts: has_any(guest, facts))
    entry = which(guest, vf, pf, place.facts, place.host)
    question = f"Power off {guest} on {place.host} to take VF {entry['address']} from it?"
    if force and not dry_run and not may_change(question, yes):
        return int(ExitCode.CHANGES_PENDING)
    wish: dict[str, Any] = {
        "guest": guest, "vf": f"{entry['pf']}:{entry['index']}", "force": force, "timeout_s": timeout_s,
        "by": operator(),
    }  # fmt: skip
    outcome = applying.detach(place.target, {place.host: wish}, check=dry_run)
    for note in outcome.data(place.host, "nfvcap_notes") or ():
        say(f"  {paint('!', 'WARN')} {note}")
    if place.host in outcome.failures:
        raise outcome.failures[place.host]
    changes = outcome.data(place.host, "nfvcap_changes") or []
    if dry_run:
        if fmt == "json":
            emit(json.dumps({"schema": SCHEMA, "host": place.host, "vf": wish["vf"], "changes": changes}, indent=2))
        say(f"{place.host}: would undo {', '.join(change['id'] for change in changes)}")
        return int(ExitCode.CHANGES_PENDING)
    result = outcome.data(place.host, "nfvcap_detached")
    if result is None:
        raise UsageError("NFV-RUN-008", f"{place.host} did not say what it detached", "", "read the log of the run")
    if fmt == "json":
        emit(json.dumps({"schema": SCHEMA, "host": place.host, **result, "changes": changes}, indent=2))
    else:
        for line in attach_view.detached(place.host, result, len(changes)):
            emit(line)
    return 0
