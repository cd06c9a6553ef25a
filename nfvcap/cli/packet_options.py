# SPDX-License-Identifier: Apache-2.0
"""Options of `verify` that concern packets."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nfvcap.cli.options import words_of

F = TypeVar("F", bound=Callable[..., Any])
PROFILES = ("quick", "rfc2544", "tst009", "soak", "burst")
ENGINES = ("vdev", "kernel", "libpcap", "af_xdp", "dpdk")

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]  # generic for the type checker of newer versions only
else:
    ParamType = click.ParamType

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(mpps|kpps|pps|)", re.IGNORECASE)
_PPS = {"": 1_000_000, "mpps": 1_000_000, "kpps": 1000, "pps": 1}


class Duration(ParamType):
    """Seconds of ``90``, ``90s``, ``10m``, ``1h``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = _DURATION.fullmatch(str(value))
        if not match or float(match[1]) == 0:
            self.fail(f"{value!r} is not a time; write for instance 90s, 10m or 1h", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class Rate(ParamType):
    """Packets a second of ``1.5`` (Mpps), ``300kpps``, ``2000pps``; with ``words``, those as they are."""

    name = "rate"

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in self.words:
            return str(value)
        match = _RATE.fullmatch(str(value))
        pps = int(float(match[1]) * _PPS[match[2].lower()]) if match else 0
        if pps == 0:
            choice = "".join(f"{word}, " for word in self.words)
            self.fail(f"{value!r} is not a rate; write {choice}1.5 (Mpps), 300kpps or 2000pps", param, ctx)
        return str(pps)


@dataclass(frozen=True)
class PacketOptions:
    """What was said on the command line."""

    engine: str | None
    matrix: bool
    dpdk_pf: str | None
    guest: tuple[str, ...]
    vf: tuple[str, ...]
    source: str
    capture_options: tuple[str, ...]
    profile: str
    traffic: str | None
    trials: int | None
    rate: str | None
    at_least: str | None
    budget: float | None
    calibrate: bool
    calibration: str
    noise: float | None
    link: int
    directory: Path | None
    database: str | None
    keep: bool


def packet_options(function: F) -> F:
    """All of them, in the order of the help."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _link(_: click.Context, __: click.Parameter, value: str) -> int:
    from nfvcap.model.units import parse_rate

    try:
        mbps = parse_rate(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if mbps == 0:
        raise click.BadParameter("a link of 0 carries nothing")
    return mbps


database_option = click.option(
    "--database", envvar="NFVCAP_DATABASE", metavar="URL",
    help="Where results are kept, as an SQLAlchemy URL ($NFVCAP_DATABASE); default: an SQLite file of the user.",
)  # fmt: skip


def from_option(name: str) -> Callable[[F], F]:
    """Where numbered frames come from; :mod:`nfvcap.verify.packets.sources.origin` has the grammar."""
    return click.option(
        "--from", name, default="lab", show_default=True, metavar="SOURCE",
        help="Where the frames come from: lab or lab:NAME, the wire of a lab server; agent:PORT, a port of this "
        "machine that is cabled to the card, or HOST:PORT, one of a host of the inventory. PORT is an interface, or as "
        "nfvcap-agent spells it.",
    )  # fmt: skip


_OPTIONS = [
    click.option(
        "--engine", type=click.Choice(ENGINES),
        help="vdev: generator and capture on localhost without any NIC. In a guest: kernel, af_xdp or dpdk, by the "
        "agent, or libpcap, by the guest's tcpdump; default: the agent, by what drives the VF there.",
    ),
    click.option("--matrix", is_flag=True,
                 help="Measure every attachment, engine and traffic that the host (or localhost) can do; the founding "
                 "study's figures stand beside them."),
    click.option("--dpdk-pf", metavar="PF",
                 help="Of the matrix: lend this PF, whose VFs nobody has, to DPDK, and whole to the first --guest, for "
                 "the cells that need it. Its VFs are gone meanwhile; afterwards it is as before."),
    click.option("--guest", multiple=True, metavar="GUEST",
                 help="Measure with numbered packets into this guest; of the matrix, the first one gets virtual NICs "
                 "as well."),
    click.option("--vf", multiple=True, metavar="PCI", help="Only this VF of the guest (its address on the host)."),
    from_option("source"),
    click.option("--capture-options", callback=words_of, metavar="WORDS",
                 help="Further options for `nfvcap-agent capture`, in one word: '--rx-desc 1024'; with --engine "
                 "libpcap, for tcpdump: '-B 65536'."),
    click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True,
                 help="How thorough; what a profile means is in the docs."),
    click.option("--traffic", metavar="64|965|imix|genome|FILE",
                 help="Frame size, 965 (a mix with that mean), imix, genome:LETTERS (RFC 6985), or a pcap file; "
                 "default: 64, and of the matrix both 64 and 965."),
    click.option("--rate", type=Rate("line", "search"), metavar="line|search|MPPS",
                 help="Trials at line rate, a search for the highest rate, trials at a rate; default: the profile's."),
    click.option("--trials", type=click.IntRange(1), metavar="N",
                 help="So many trials at a fixed rate; default: the profile's."),
    click.option("--at-least", type=Rate(), metavar="MPPS",
                 help="Fail when the search finds less than this; without it, less than the line rate is a warning."),
    click.option("--budget", type=Duration(), metavar="TIME", help="End after 90s, 10m, 1h; default: the profile's."),
    click.option("--noise", type=Duration(), metavar="TIME",
                 help="First let oslat, cyclictest and hwlatdetect, where installed, each look for so long whether the "
                 "CPU is left alone."),
    click.option("--calibrate", is_flag=True, help="Measure only what the source can do alone, and keep the figure."),
    click.option("--calibration", type=click.Choice(("new", "kept")), default="new", show_default=True,
                 help="Calibrate the source now, or use what --calibrate has kept."),
    click.option("--link", default="10G", show_default=True, callback=_link, metavar="RATE",
                 help="Speed of the virtual link that is meant by line rate; a card tells its own."),
    click.option("--directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
                 help="Where files are captured, on the machine that captures; default: memory (/dev/shm)."),
    database_option,
    click.option("--keep/--no-keep", default=True, help="Keep the result in the database of results (default)."),
]  # fmt: skip
