# SPDX-License-Identifier: Apache-2.0
"""``nfvcap plan``: what provision would change."""

from __future__ import annotations

from pathlib import Path

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply.plans import plan_all, plan_document
from nfvcap.cli import plan_view
from nfvcap.cli.fleet import open_fleet
from nfvcap.cli.options import fleet_options, format_option, hosts_argument
from nfvcap.cli.output import emit, say
from nfvcap.errors import ExitCode, UsageError, worst


@click.command()
@hosts_argument()
@fleet_options
@format_option("table", "json")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write plan.json to this file.")
@click.option("--check", is_flag=True, help="One line per host only; the exit code tells.")
@click.option("--why", is_flag=True, help="Give the reason of each change and each placement.")
def plan(
    *, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, fmt: str,
    out: Path | None, check: bool, why: bool,
) -> int:  # fmt: skip
    """Show what provision would change on HOSTs, and what that disturbs. Exit code 3 when changes are pending."""
    if out is not None and not out.resolve().parent.is_dir():
        raise _cannot_write(out, f"{out.resolve().parent} is no directory")
    fleet = open_fleet("plan", hosts, inventory, limit, forks)
    known = facts_reader.collect(fleet.target)
    batch = plan_all(fleet.intents, known.values)
    document = plan_document(batch.values)
    if out is not None:
        try:
            out.write_text(document.to_json(), encoding="utf-8")
        except OSError as error:
            raise _cannot_write(out, str(error)) from error
    if fmt == "json":
        emit(document.to_json().rstrip())
    else:
        blocks = [
            [plan_view.summary(found)] if check else plan_view.render(found, known.values[host], why)
            for host, found in batch.values.items()
        ]
        emit(("\n" if check else "\n\n").join("\n".join(block) for block in blocks))
    errors = {**known.failures, **batch.failures}
    for host in fleet.hosts:
        if host in errors:
            say(f"\n{errors[host]}")
    pending = (ExitCode.CHANGES_PENDING for found in batch.values.values() if found.pending)
    return int(worst(*pending, *(error.exit_code for error in errors.values())))


def _cannot_write(path: Path, why: str) -> UsageError:
    return UsageError(
        "NFV-CLI-006", f"the plan cannot be written to {path}", why, "name a file in a directory that may be written"
    )
