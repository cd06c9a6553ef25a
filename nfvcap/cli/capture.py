# SPDX-License-Identifier: Apache-2.0
"""``nfvcap capture``: the agent's everyday use in a guest, on a host, or here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from nfvcap.cli.capture_view import ended_lines, report_dict, status_dict, status_lines
from nfvcap.cli.options import format_option, inventory_option, words_of
from nfvcap.cli.output import emit, say
from nfvcap.cli.packet_options import Duration
from nfvcap.errors import ExitCode, UsageError

ACTIONS = ("start", "stop", "status", "pull", "remove")
_SIZE = re.compile(r"\d+(?:\.\d+)?[KMGT](?:i?B)?")


@dataclass(frozen=True)
class Rotation:
    """When a new file is begun: at a size, at a time, or never."""

    size_bytes: int | None = None
    time_s: float | None = None


def _rotation(_: click.Context, __: click.Parameter, value: str | None) -> Rotation:
    from nfvcap.model.units import parse_size

    if not value:
        return Rotation()
    if _SIZE.fullmatch(value):
        return Rotation(size_bytes=parse_size(value))
    return Rotation(time_s=Duration().convert(value, None, None))


def _size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    from nfvcap.model.units import parse_size

    try:
        return None if value is None else parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_USUAL = "capture"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    """It is the name of a directory, and of files in it."""
    if not _NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name: letters, digits, '.', '_', '-', a letter or digit first")
    return value


@click.command()
@click.argument("target", metavar="GUEST|HOST|localhost")
@click.argument("action", type=click.Choice(ACTIONS), metavar="|".join(ACTIONS))
@inventory_option
@click.option("--host", default="", metavar="HOST", help="The guest's host; else the one whose inventory names it.")
@click.option(
    "--name", default=_USUAL, show_default=True, callback=_name, metavar="NAME", help="Which capture, of several."
)
@click.option(
    "--port",
    multiple=True,
    metavar="PORT",
    help="start: what to capture from, as the agent spells it: af_packet:eth1, a PCI address. Else all VFs of "
    "the guest.",
)
@click.option("--filter", "expression", metavar="EXPR", help="start: store only this, in the language of pcap-filter.")
@click.option("--rotate", callback=_rotation, metavar="SIZE|TIME", help="start: a new file every 1G, or every 10m.")
@click.option("--quota", callback=_size, metavar="SIZE", help="start: all files together; the oldest ones go.")
@click.option("--snaplen", type=click.IntRange(1), metavar="N", help="start: keep at most so many bytes of a packet.")
@click.option("--duration", type=Duration(), metavar="TIME", help="start: end by itself after this time.")
@click.option(
    "--options", "words", callback=words_of, metavar="WORDS", help="start: further options of the agent, in one word."
)
@click.option("--directory", metavar="DIR", help="Where captures have their directories there.")
@click.option(
    "--to",
    "into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="pull: where the files go here; default: the current directory.",
)
@click.option("--now", "close_now", is_flag=True, help="pull: begin new files first, so that all until now is had.")
@click.option("--delete", is_flag=True, help="pull: remove a file there once it is here and has been compared.")
@click.option("--follow", is_flag=True, help="status: again and again, until Ctrl-C.")
@format_option("text", "json")
def capture(*, target: str, action: str, fmt: str, **given: Any) -> int:
    """Capture in GUEST (or on a host of the inventory, or on localhost): start, stop, status, pull, remove.

    The agent is put there if it is not there yet. A capture goes on when this command has ended. `pull` brings home the
    files that are closed; each is compared before anything is removed.
    """
    wish = _Wish(target, fmt, **given)
    with _there(wish, deploy=action == "start") as place:
        return int(_DO[action](place, wish))


@dataclass(frozen=True)
class _Wish:
    target: str
    fmt: str
    inventory: tuple[Path, ...]
    host: str
    name: str
    port: tuple[str, ...]
    expression: str | None
    rotate: Rotation
    quota: int | None
    snaplen: int | None
    duration: float | None
    words: tuple[str, ...]
    directory: str | None
    into: Path
    close_now: bool
    delete: bool
    follow: bool


@dataclass(frozen=True)
class _Place:
    captures: Any  # nfvcap.agent.everyday.Everyday
    ports: tuple[str, ...]
    directory: str


@contextmanager
def _there(wish: _Wish, deploy: bool) -> Iterator[_Place]:
    """The way to the machine, the agent on it (when it is needed), and what can be captured from."""
    from nfvcap.agent.build import locate
    from nfvcap.agent.deploy import PLACE
    from nfvcap.agent.deploy import deploy as put
    from nfvcap.agent.everyday import BASE, Everyday
    from nfvcap.door.command import CommandDoor
    from nfvcap.door.find import HERE, way_to_guest, way_to_host

    directory, ports = wish.directory or BASE, wish.port
    if not directory.startswith("/"):
        raise UsageError("NFV-CAP-005", f"{directory} is no absolute path", "it is one on the machine that captures",
                         "begin it with /")  # fmt: skip
    if wish.target in HERE:
        if deploy and not ports:
            raise _no_port(wish.target, "this machine has many interfaces")
        yield _Place(Everyday(CommandDoor("this machine"), str(locate()), directory), ports, directory)
        return
    from nfvcap.cli.fleet import open_fleet
    from nfvcap.guest.locate import host_of

    fleet = open_fleet("capture", [wish.host or "all"], wish.inventory, "", 1, intents="those that have one")
    if wish.target in fleet.loaded.hosts:
        if deploy and not ports:
            raise _no_port(wish.target, "a host has many interfaces")
        door, _ = way_to_host(wish.target, fleet.loaded)
        program = put(door, locate()).program if deploy else PLACE
        yield _Place(Everyday(door, program, directory), ports, directory)
        return
    named = wish.host and len(fleet.hosts) == 1
    host = fleet.hosts[0] if named else host_of(wish.target, fleet.intents)
    if deploy and not ports:
        ports = _ports_of(wish.target, replace(fleet.target, hosts=(host,)), host)
    with way_to_guest(wish.target, host, fleet.loaded) as way:
        program = put(way, locate()).program if deploy else PLACE
        yield _Place(Everyday(way, program, directory), ports, directory)


def _ports_of(guest: str, target: Any, host: str) -> tuple[str, ...]:
    """All VFs of a guest: by their interface there, else by their place, which DPDK takes."""
    from nfvcap.apply import guest as guests

    outcome = guests.look(target, [guest])
    for error in outcome.failures.values():
        raise error
    (seen,) = guests.seen(outcome, host)
    ports = tuple(
        f"af_packet:{vf['interface']}" if vf["interface"] else str(vf["guest_address"])
        for vf in seen["vfs"] if vf["interface"] or vf["guest_address"]
    )  # fmt: skip
    if not ports:
        raise _no_port(guest, f"it is {seen['state']} and shows no VF")
    return ports


def _no_port(where: str, why: str) -> UsageError:
    return UsageError(
        "NFV-CAP-003", f"nothing is named to capture from on {where}", why,
        "--port af_packet:INTERFACE, or a PCI address; or give a guest a VF: nfvcap attach-vf",
    )  # fmt: skip


def _start(place: _Place, wish: _Wish) -> ExitCode:
    from nfvcap.agent.options import CaptureOptions

    directory = place.captures.directory(wish.name)
    options = CaptureOptions(
        ports=place.ports, write=f"{directory}/{wish.name}-%t-%n.pcap", filter=wish.expression,
        rotate_size=wish.rotate.size_bytes, rotate_s=wish.rotate.time_s, disk_quota=wish.quota, snaplen=wish.snaplen,
        duration_s=wish.duration, metrics_file=f"{directory}/metrics", wait_link_s=5.0,
        extra=wish.words,
    )  # fmt: skip
    for interface in place.captures.up(place.ports):
        say(f"{wish.target}: {interface} was down and is up now; it stays up")
    place.captures.start(wish.name, options)
    if wish.fmt == "json":
        emit(
            json.dumps({"schema": "nfvcap/capture/1", "name": wish.name, "ports": place.ports, "directory": directory})
        )
    else:
        emit(f"{wish.target}: {wish.name} captures from {', '.join(place.ports)} into {directory}")
    return ExitCode.OK


def _stop(place: _Place, wish: _Wish) -> ExitCode:
    report = place.captures.stop(wish.name)
    if wish.fmt == "json":
        emit(json.dumps(report_dict(wish.name, report), indent=2))
    else:
        for line in ended_lines(wish.name, report):
            emit(line)
    return ExitCode.CHECK_FAILED if report.failure else ExitCode.OK


def _status(place: _Place, wish: _Wish) -> ExitCode:
    while True:
        names = place.captures.names()
        if wish.name in names:
            names = [wish.name]
        elif wish.name != _USUAL:
            place.captures.must_exist(wish.name)
        if not names:
            emit("{}" if wish.fmt == "json" else f"{wish.target}: no captures")
            return ExitCode.OK
        found = [place.captures.status(name) for name in names]
        if wish.fmt == "json":
            emit(json.dumps({"schema": "nfvcap/capture/1", "captures": [status_dict(one) for one in found]}))
        else:
            for one in found:
                for line in status_lines(one):
                    emit(line)
        if not wish.follow:
            return ExitCode.OK
        time.sleep(1)


def _pull(place: _Place, wish: _Wish) -> ExitCode:
    if not wish.into.is_dir():
        raise UsageError("NFV-CAP-005", f"{wish.into} is no directory", "files are brought there", "make it first")
    if wish.close_now and place.captures.status(wish.name, 0).running:
        place.captures.begin_new_files(wish.name)
    files = place.captures.closed(wish.name)
    for number, file in enumerate(files, 1):
        say(f"{number} of {len(files)}: {file.name}, {file.size_bytes >> 10} KiB …")
        emit(str(place.captures.pull(wish.name, file, wish.into, remove=wish.delete)))
    if not files:
        say("no file is closed yet; --now closes what is being written")
    return ExitCode.OK


def _remove(place: _Place, wish: _Wish) -> ExitCode:
    place.captures.remove(wish.name)
    say(f"{wish.target}: {wish.name} is removed with its files")
    return ExitCode.OK


_DO = {"start": _start, "stop": _stop, "status": _status, "pull": _pull, "remove": _remove}
