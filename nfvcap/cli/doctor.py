# SPDX-License-Identifier: Apache-2.0
"""``nfvcap doctor``: is this controller, or a host, fit for the job?"""

from __future__ import annotations

from pathlib import Path

import click

from nfvcap import __version__
from nfvcap.apply import facts as facts_reader
from nfvcap.apply.provision import Batch
from nfvcap.cli.fleet import open_fleet
from nfvcap.cli.options import fleet_options, format_option, hosts_argument
from nfvcap.cli.output import emit, paint
from nfvcap.cli.table import columns
from nfvcap.doctor import controller, finding, host
from nfvcap.errors import ExitCode, worst
from nfvcap.model.facts import Facts
from nfvcap.model.result import Check, HostResult, Result, Verdict


@click.command()
@hosts_argument(required=False)
@fleet_options
@format_option("text", "json")
@click.option("-q", "--quiet", is_flag=True, help="Only what is not in order.")
def doctor(
    *, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, fmt: str, quiet: bool
) -> int:
    """Is this controller fit for the job, and are HOSTs? Found, wanted, fix. Exit code 4 when something is not."""
    results = [HostResult(host="this controller", environment={}, checks=controller.examine())]
    unreachable: list[ExitCode] = []
    if hosts:
        fleet = open_fleet("doctor", hosts, inventory, limit, forks, intents="none")
        known = facts_reader.collect(fleet.target)
        results += [_host(name, known) for name in fleet.hosts]
        unreachable = [error.exit_code for error in known.failures.values()]
    result = Result(nfvcap_version=__version__, created_at=_now(), hosts=tuple(results))
    if fmt == "json":
        emit(result.to_json().rstrip())
    else:
        emit("\n\n".join("\n".join(_text(each, quiet)) for each in results))
    return int(worst(result.exit_code, *unreachable))


def _host(name: str, known: Batch[Facts]) -> HostResult:
    if name in known.failures:
        error = known.failures[name]
        checks: tuple[Check, ...] = (
            finding("NFV-DOC-100", Verdict.FAIL, f"{error.what} [{error.code}]", "facts", fix=error.fix),
        )
    else:
        facts = known.values[name]
        checks = (finding("NFV-DOC-100", Verdict.PASS, facts.hostname, "facts"), *host.judge(facts))
    return HostResult(host=name, environment={}, checks=checks)


def _text(result: HostResult, quiet: bool) -> list[str]:
    shown = [check for check in result.checks if not quiet or check.verdict not in (Verdict.PASS, Verdict.SKIP)]
    rows = [
        (str(check.verdict), check.title + (f" {check.subject}" if check.subject else ""), check.found,
         "" if check.verdict is Verdict.PASS else f"wanted: {check.wanted}")
        for check in shown
    ]  # fmt: skip
    notes = [[f"        {check.id}  {check.fix}"] if check.fix else [] for check in shown]
    lines = columns(
        rows, wide=2, indent="  ", notes=notes,
        paint=lambda row, at, text: paint(text, shown[row].verdict) if at == 0 else text,
    )  # fmt: skip
    return [paint(result.host, "head"), *(lines or ["  all in order"])]


def _now() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
