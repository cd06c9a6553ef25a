# SPDX-License-Identifier: Apache-2.0
"""``nfvcap report``: results of earlier runs, rendered again, compared, or followed over time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, say
from nfvcap.cli.packet_options import database_option
from nfvcap.errors import ExitCode, UsageError
from nfvcap.model.result import Result

_FORMS = ("html", "junit", "tap", "prometheus")


@click.command()
@click.argument("results", nargs=-1, metavar="[RESULT]...", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--history", "host", metavar="HOST", help="Trend and regressions of the results kept of this host.")
@click.option("--force", is_flag=True, help="Compare figures of different environments; the differences are shown.")
@format_option("table", "json", "jsonl")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write an HTML page.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML.")
@click.option("--tap", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write TAP.")
@click.option(
    "--prometheus",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write figures for the textfile collector of Prometheus.",
)
@database_option
def report(
    *, results: tuple[Path, ...], host: str | None, force: bool, fmt: str, html: Path | None, junit: Path | None,
    tap: Path | None, prometheus: Path | None, database: str | None,
) -> int:  # fmt: skip
    """Render a RESULT (a result.json) again, compare two, or show the history of a host."""
    files = {"html": html, "junit": junit, "tap": tap, "prometheus": prometheus}
    if host is not None or len(results) == 2:
        _no_files(files, "a history" if host is not None else "a comparison")
    if host is not None:
        if results:
            raise UsageError(
                "NFV-PKT-206", "say what to report", f"--history {host} reads what was kept, not {results[0]}",
                f"nfvcap report --history {host}, or nfvcap report {results[0]}",
            )  # fmt: skip
        return _history(host, database, fmt)
    if not results or len(results) > 2:
        raise UsageError(
            "NFV-PKT-206", "say what to report", "one result to render, or two to compare",
            "nfvcap report RESULT [RESULT], or nfvcap report --history HOST",
        )  # fmt: skip
    loaded = [_load(path) for path in results]
    if len(loaded) == 2:
        return _compare(loaded[0], loaded[1], force=force, fmt=fmt)
    from nfvcap.cli.verify import show, write_reports

    write_reports(loaded[0], files, False)
    show(loaded[0], fmt, strict=False, verbose=False)
    return int(loaded[0].exit_code)


def _no_files(files: Mapping[str, Path | None], what: str) -> None:
    """Forms of one result: a file that is not written must not be waited for."""
    wanted = [form for form, path in files.items() if path is not None]
    if wanted:
        raise UsageError(
            "NFV-PKT-214", f"{what} has no form {', '.join(wanted)}", "these are forms of one result",
            f"nfvcap report RESULT --{wanted[0]} FILE for each result; --format json for {what}",
        )  # fmt: skip


def _load(path: Path) -> Result:
    try:
        return Result.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            "NFV-PKT-206", f"{path} is no result", str(error).splitlines()[0],
            "give the result.json of a run (below $XDG_STATE_HOME/nfvcap/runs/)",
        ) from error  # fmt: skip


def _compare(one: Result, other: Result, *, force: bool, fmt: str) -> int:
    from nfvcap.report.compare import compare

    comparison = compare(one, other)
    if fmt == "table":
        from nfvcap.report.compare_table import write

        write(comparison, sys.stdout, figures=comparison.comparable or force)
    else:
        emit(comparison.to_json().rstrip())
    if not comparison.comparable and not force:
        raise UsageError(
            "NFV-PKT-208", "these results cannot be compared", comparison.why,
            "measure both in the same environment, or add --force to see the figures anyway",
        )  # fmt: skip
    return int(ExitCode.CHECK_FAILED if any(row.worse for row in comparison.figures) else ExitCode.OK)


def _history(host: str, database: str | None, fmt: str) -> int:
    from nfvcap.report.history import Store

    store = Store(database)
    points = store.trend(host)
    if not points:
        kept = ", ".join(store.hosts()) or "none"
        raise UsageError(
            "NFV-PKT-206", f"no measurement of {host} was kept", f"hosts with results: {kept}",
            f"nfvcap verify {host} --guest GUEST; of this machine: nfvcap verify localhost --engine vdev",
        )  # fmt: skip
    if fmt == "table":
        from nfvcap.report.history_table import write

        write(host, points, sys.stdout)
    else:
        import dataclasses
        import json

        for point in points:
            emit(json.dumps(dataclasses.asdict(point), ensure_ascii=False))
    newest = points[-1].created_at
    worse = [point for point in points if point.created_at == newest and point.regression]
    if worse:
        say(f"regression: {worse[0].series}: {worse[0].regression}")
    return int(ExitCode.CHECK_FAILED if worse else ExitCode.OK)
