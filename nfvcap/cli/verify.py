# SPDX-License-Identifier: Apache-2.0
"""``nfvcap verify``: judge hosts independently of the code that set them up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nfvcap import __version__
from nfvcap.cli.fleet import Fleet, open_fleet
from nfvcap.cli.options import fleet_options, format_option, hosts_argument
from nfvcap.cli.output import emit
from nfvcap.cli.packet_options import PacketOptions, packet_options
from nfvcap.door.find import HERE
from nfvcap.errors import ExitCode, UsageError
from nfvcap.model.result import Result
from nfvcap.report.jsonl import Events


def _report_option(name: str, words: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    path = click.Path(path_type=Path, dir_okay=False)
    return click.option(f"--{name}", type=path, metavar="FILE", help=f"Also write {words} to this file.")


@click.command()
@hosts_argument()
@fleet_options
@click.option("--state-only", is_flag=True, help="Check the state of the hosts; send no packets.")
@packet_options
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Judge by this plan.json instead of the plan that each host was provisioned with.",
)  # fmt: skip
@format_option("table", "json", "jsonl")
@_report_option("junit", "JUnit XML")
@_report_option("tap", "TAP")
@_report_option("html", "an HTML page")
@_report_option("prometheus", "figures for the textfile collector of Prometheus")
@click.option("--strict", is_flag=True, help="Let warnings count as failures.")
@click.option("-v", "--verbose", is_flag=True, help="List the checks that passed as well.")
def verify(
    *, hosts: tuple[str, ...], inventory: tuple[Path, ...], limit: str, forks: int, state_only: bool,
    plan_file: Path | None, fmt: str, junit: Path | None, tap: Path | None, html: Path | None,
    prometheus: Path | None, strict: bool, verbose: bool, **packets: Any,
) -> int:  # fmt: skip
    """Check that a HOST is as planned, and what its guests capture of numbered packets: those that --guest names, else
    all that run and have VFs. --state-only leaves the packets out, and then there may be several HOSTs. Nothing on the
    hosts is changed; the capture agent is put into guests that are measured, and with --matrix the first --guest gets
    virtual NICs, and DPDK the PF of --dpdk-pf, for as long as these are measured."""
    events = Events(emit, __version__) if fmt == "jsonl" else None
    packets["guest"] = tuple(dict.fromkeys(packets["guest"]))  # each once
    files = {"junit": junit, "tap": tap, "html": html, "prometheus": prometheus}
    _writable(files)
    asked = packets["engine"] or packets["guest"] or packets["matrix"]
    if asked and (state_only or plan_file is not None):
        raise UsageError(
            "NFV-PKT-203", "--engine, --guest, --matrix measure with packets, --state-only, --plan judge the state",
            "these are two runs", "leave one of them out",
        )  # fmt: skip
    here = packets["engine"] == "vdev" or (hosts[0] in HERE and asked and not packets["guest"])
    _used(state_only, here=bool(here))
    if packets["matrix"] and (packets["vf"] or packets["engine"] not in {None, "vdev"}):
        raise UsageError(
            "NFV-PKT-203", "--matrix measures every engine and the VFs that guests have",
            "--engine and --vf would leave cells of it out", "leave them out, or measure one path: --guest GUEST",
        )  # fmt: skip
    if packets["dpdk_pf"] and (not packets["matrix"] or hosts[0] in HERE):
        raise UsageError("NFV-PKT-203", "--dpdk-pf is for cells of the matrix of a host", "no PF would be lent",
                         f"nfvcap verify HOST --matrix --dpdk-pf {packets['dpdk_pf']}")  # fmt: skip
    if state_only:
        result = _judge(open_fleet("verify", hosts, inventory, limit, forks, intents="none"), plan_file)
    elif here:
        from nfvcap.cli.verify_packets import measure

        result = measure(hosts, PacketOptions(**packets), events)
    elif plan_file is not None or (hosts[0] in HERE and not asked):
        raise UsageError(
            "NFV-STATE-201", "say what to verify", "the state, packets into guests, or packets here",
            f"nfvcap verify {' '.join(hosts)} --state-only, or --guest GUEST, or --matrix; here: --engine vdev",
        )  # fmt: skip
    else:
        from nfvcap.cli.verify_guest import measure as measure_guests

        fleet = open_fleet("verify", hosts, inventory, limit, forks, intents="none")
        result = measure_guests(fleet, PacketOptions(**packets), events)
    write_reports(result, files, strict)
    if events is not None:
        events.end(result, strict=strict)
    else:
        show(result, fmt, strict=strict, verbose=verbose)
    from nfvcap.report.tally import exit_code
    from nfvcap.verify.packets.checks import interrupted

    cut = any(interrupted(host.checks) for host in result.hosts)
    return int(ExitCode.INTERRUPTED if cut else exit_code(result, strict))


_OF_PACKETS = (
    "vf", "source", "capture_options", "profile", "traffic", "rate", "trials", "at_least", "budget", "noise",
    "calibrate", "calibration", "link", "directory",
)  # fmt: skip


def _used(state_only: bool, *, here: bool) -> None:
    """Nothing that was said may be without effect: a line in CI would be green for another reason than it says.

    Raises:
        UsageError: NFV-PKT-203 an option does not belong to this run.
    """
    typed = click.get_current_context()
    said = [name for name in _OF_PACKETS if typed.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if state_only:
        idle, why = said, "--state-only sends no packets"
    elif here:
        idle, why = [name for name in said if name == "source"], "virtual devices have a source of their own"
    else:
        idle, why = [name for name in said if name == "link"], "the card tells the speed of its link"
    if idle:
        words = ", ".join(f"--{'from' if name == 'source' else name.replace('_', '-')}" for name in idle)
        raise UsageError("NFV-PKT-203", f"{words} would have no effect", why, f"leave {words} out")


def _judge(fleet: Fleet, plan_file: Path | None) -> Result:
    from nfvcap.verify.plans import plans_from
    from nfvcap.verify.state import verify_hosts

    plans = plans_from(plan_file, fleet.hosts) if plan_file is not None else None
    result = verify_hosts(
        fleet.hosts, fleet.target.inventory, plans,
        hostvars=fleet.variables, forks=fleet.target.forks, options=fleet.options,
    )  # fmt: skip
    (fleet.target.run_dir.path / "result.json").write_text(result.to_json(), encoding="utf-8")
    return result


def _writable(files: dict[str, Path | None]) -> None:
    """Minutes of measuring are not lost because of a wrong file name."""
    for form, path in files.items():
        if path is None:
            continue
        if not path.resolve().parent.is_dir():
            raise _cannot_write(form, path, f"{path.resolve().parent} is no directory")
        if not os.access(path if path.exists() else path.resolve().parent, os.W_OK):
            raise _cannot_write(form, path, "you may not write there")


def _cannot_write(form: str, path: Path, why: str) -> UsageError:
    return UsageError(
        "NFV-STATE-203", f"the report {path} cannot be written", why,
        f"--{form} FILE in a directory that exists and may be written",
    )  # fmt: skip


def write_reports(result: Result, files: dict[str, Path | None], strict: bool) -> None:
    """Write what was asked for; a module of its own makes each form."""
    import importlib

    for form, path in files.items():
        if path is None:
            continue
        text: str = importlib.import_module(f"nfvcap.report.{form}").document(result, strict=strict)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _cannot_write(form, path, str(error)) from error


def show(result: Result, fmt: str, *, strict: bool, verbose: bool) -> None:
    if fmt == "json":
        emit(result.to_json().rstrip())
    elif fmt == "jsonl":
        from nfvcap.report.jsonl import lines

        for line in lines(result, strict=strict):
            emit(line)
    else:
        from nfvcap.report.table import write

        write(result, sys.stdout, strict=strict, everything=verbose)
