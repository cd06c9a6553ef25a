# SPDX-License-Identifier: Apache-2.0
"""The packet side of `nfvcap verify`: what is measured, told while it goes on, kept afterwards."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nfvcap import __version__
from nfvcap.cli import calibrations, narrator
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import Check, HostResult, Result
from nfvcap.report.jsonl import Events
from nfvcap.verify.packets.profiles import PROFILES
from nfvcap.verify.packets.run import INTERRUPTED, Wish, now
from nfvcap.verify.packets.traffic import traffic

HERE = ("localhost", "127.0.0.1")
_MEMORY = Path("/dev/shm")


def measure(hosts: Sequence[str], options: PacketOptions, events: Events | None) -> Result:
    """Measure on this machine; the result is complete, or says itself that it is partial.

    Raises:
        UsageError: NFV-PKT-203 a host that virtual devices do not reach, NFV-PKT-201 traffic that is not understood.
        NfvcapError: the agent is missing or cannot be built.
    """
    wish = wish_of(options)
    if options.engine not in {"vdev", None} or options.guest:
        raise UsageError(
            "NFV-PKT-203", "kernel, libpcap, af_xdp and dpdk are engines of guests", "this machine has vdev",
            "nfvcap verify HOST --guest GUEST, or --engine vdev alone",
        )  # fmt: skip
    if options.vf:
        raise UsageError("NFV-PKT-203", "--vf is for VFs of a guest", "this machine has virtual devices here",
                         "nfvcap verify HOST --guest GUEST --vf PCI, or leave --vf out")  # fmt: skip
    if len(hosts) != 1 or hosts[0] not in (*HERE, socket.gethostname()):
        raise UsageError(
            "NFV-PKT-203", "--engine vdev measures on this machine only",
            f"asked for was {', '.join(hosts)}", "nfvcap verify localhost --engine vdev",
        )  # fmt: skip
    if options.matrix:
        from nfvcap.cli.verify_matrix import local

        empty = HostResult(host=hosts[0], environment={}, checks=())
        host = local(empty, wish, lambda one: _vdev(hosts[0], one, options, events), options)
    else:
        host = _vdev(hosts[0], wish, options, events)
    result = Result(nfvcap_version=__version__, created_at=now(), hosts=(host,))
    keep(result, options)
    if not options.matrix and host.measurements[0].partial == INTERRUPTED:
        say(paint("interrupted: the report is partial, and says so", "WARN"))
    return result


def wish_of(options: PacketOptions) -> Wish:
    """What is to be measured.

    Raises:
        UsageError: NFV-PKT-203 the options contradict each other, NFV-PKT-201 traffic that is not understood.
    """
    profile = PROFILES[options.profile]
    rate = options.rate or ("search" if options.at_least else profile.rate)
    if rate == "search" and not profile.goals:
        raise UsageError(
            "NFV-PKT-203", f"the profile {profile.name} has no goals to search for", "it sends at one rate",
            "--rate line or --rate MPPS, or another profile",
        )  # fmt: skip
    if options.at_least and rate != "search":
        raise UsageError(
            "NFV-PKT-203", "--at-least is for a search", f"the rate is {rate}",
            "--rate search; or --rate MPPS alone, which fails when a packet is lost at that rate",
        )  # fmt: skip
    if options.calibrate and (options.at_least or options.trials):
        raise UsageError(
            "NFV-PKT-203", "--calibrate measures the source alone",
            "--at-least and --trials are about what is captured",
            "two runs: --calibrate first, then the other with --calibration kept",
        )  # fmt: skip
    if options.trials:
        if rate == "search":
            raise UsageError(
                "NFV-PKT-203", "--trials is for a fixed rate", "a search makes as many as it needs",
                "--rate line or --rate MPPS",
            )  # fmt: skip
        profile = replace(profile, trials=options.trials)
    return Wish(
        profile, traffic(options.traffic or "64"), rate, options.budget or profile.budget_s,
        int(options.at_least) if options.at_least else None, options.calibrate,
    )  # fmt: skip


def _vdev(host: str, wish: Wish, options: PacketOptions, events: Events | None) -> HostResult:
    from nfvcap.agent.build import locate
    from nfvcap.agent.client import Agent
    from nfvcap.door.command import CommandDoor
    from nfvcap.verify.packets.checks import checks
    from nfvcap.verify.packets.engines.noise import noise
    from nfvcap.verify.packets.engines.vdev import cpus, vdev_path
    from nfvcap.verify.packets.machine import environment, fingerprint

    agent = Agent(locate())
    directory = options.directory or (_MEMORY if _MEMORY.is_dir() else Path("/tmp"))
    if not directory.is_dir():
        raise UsageError("NFV-PKT-203", f"{directory} is no directory", "files are captured there", "make it first")
    sending, capturing = cpus()
    around = (
        environment()
        | {
            "agent": agent.version(),
            "dpdk": agent.dpdk(),
            "placement": f"generator on CPU {sending}, capture on CPU {capturing}, files in {directory}",
        }
        | ({"capture options": " ".join(options.capture_options)} if options.capture_options else {})
    )
    digest = fingerprint(around)
    before: tuple[Check, ...] = ()
    if options.noise:
        say(f"does the machine leave CPU {capturing} alone? …")
        before = tuple(noise(CommandDoor("this machine"), "vdev", capturing, max(1, round(options.noise))))
    with vdev_path(agent, directory, options.link, capture_options=options.capture_options) as path:
        kept = calibrations.kept(host, path, wish.traffic, options)
        measurement = narrator.measure(host, path, wish, calibration=kept, fingerprint=digest, events=events)
    if wish.only_calibrate:
        calibrations.keep(host, measurement.model_copy(update={"name": path.name}))
    return HostResult(host=host, environment=around, checks=(*before, *checks(measurement, digest)), fingerprint=digest,
                      measurements=(measurement,))  # fmt: skip


def keep(result: Result, options: PacketOptions) -> None:
    """Into the database, and beside the logs; what cannot be kept is said and spoils nothing."""
    from nfvcap.apply.rundir import new_run_dir
    from nfvcap.report import html

    if options.keep:
        from nfvcap.report.history import Store

        try:
            Store(options.database).add(result)
        except NfvcapError as error:
            say(f"the result was not kept: {error}")
    try:
        directory = new_run_dir("verify").path
        (directory / "result.json").write_text(result.to_json(), encoding="utf-8")
        (directory / "report.html").write_text(html.document(result), encoding="utf-8")
        say(f"report: {directory / 'report.html'}")
    except (OSError, NfvcapError) as error:
        say(f"the result has no directory of its own: {error}")
