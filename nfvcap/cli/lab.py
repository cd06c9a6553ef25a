# SPDX-License-Identifier: Apache-2.0
"""``nfvcap lab``: the emulated lab server on the command line."""

from __future__ import annotations

import json
import os
import sys

import click

from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, say
from nfvcap.errors import ExitCode, UsageError
from nfvcap.lab.access import VARIABLE

_NAME = click.option("--name", default="lab", envvar=VARIABLE, show_default=True,
                     help=f"Which lab (${VARIABLE}); several run side by side.")  # fmt: skip


@click.group()
def lab() -> None:
    """The emulated lab server: a Debian host with an IOMMU, two NUMA nodes and two SR-IOV ports.

    It needs no special hardware and no KVM. Images, disks and sockets are in the user's cache directory.
    """


@lab.command()
@_NAME
@click.option("--reset", is_flag=True, help="Start from the pristine disk; else the disk is as it was left.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=600, show_default=True, metavar="S",
              help="Limit for the boot itself.")  # fmt: skip
def up(name: str, reset: bool, timeout_s: float) -> None:
    """Boot the lab server and wait until ssh answers; builds the image when there is none."""
    from nfvcap.lab import Lab

    machine = Lab(name, say)
    stages = machine.up(reset=reset, timeout_s=timeout_s)
    if stages.times_s:
        say(f"lab {name} is up after {stages.total_s():.1f} s")
    else:
        say(f"lab {name} is up already")
    suffix = "" if name == "lab" else f" --name {name}"
    say(f"log in with: nfvcap lab ssh{suffix}")


@lab.command()
@_NAME
@click.option("--power-cut", is_flag=True, help="End it at once, as if the power failed.")
@click.option("--delete", is_flag=True, help="Remove its disk and logs as well, without a shutdown.")
def down(name: str, power_cut: bool, delete: bool) -> None:
    """Shut the lab server down; its disk stays for the next up."""
    from nfvcap.lab import Lab

    if not Lab(name, say).down(power_cut=power_cut, delete=delete):
        say(f"lab {name} was not running")


@lab.command()
@_NAME
def reset(name: str) -> None:
    """Back to the pristine disk, in seconds; ends the lab server if it runs."""
    from nfvcap.lab import Lab

    Lab(name, say).reset()
    say(f"lab {name} has a pristine disk; boot it with: nfvcap lab up" + ("" if name == "lab" else f" --name {name}"))


@lab.command()
@_NAME
@click.option("--all", "every", is_flag=True, help="All labs.")
@format_option("text", "json")
def status(name: str, every: bool, fmt: str) -> None:
    """What runs, since when, on which accelerator, and how to log in."""
    from nfvcap.lab import Lab
    from nfvcap.lab.lab import names
    from nfvcap.lab.text import lines

    found = [Lab(each).status() for each in (names() if every else [name])]
    if fmt == "json":
        data = [status.to_dict() for status in found]
        emit(json.dumps(data if every else data[0], indent=2))
        return
    for one in found:
        for line in lines(one):
            emit(line)


@lab.command(context_settings={"ignore_unknown_options": True})
@_NAME
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(name: str, command: tuple[str, ...]) -> None:
    """Log in as root, or run a command: nfvcap lab ssh -- lspci -nn."""
    from nfvcap.lab import Lab, access

    machine = Lab(name)
    machine.require_running()
    sys.stdout.flush()
    argv = access.command(name, machine.paths, list(command))
    os.execvp(argv[0], argv)


@lab.command()
@_NAME
@click.option("--log", is_flag=True, help="Print what the console has said since the start instead.")
def console(name: str, log: bool) -> None:
    """Connect to the serial console (user root has no password: log in with ssh); Ctrl-] leaves."""
    from nfvcap.lab import Lab
    from nfvcap.lab.console import attach

    machine = Lab(name)
    if log:
        emit(machine.console_text().rstrip())
        return
    machine.require_running()
    if not sys.stdin.isatty():
        raise UsageError("NFV-LAB-011", "the console needs a terminal", "", "nfvcap lab console --log prints its log")
    say("connected to the serial console; Ctrl-] leaves")
    attach(machine.paths.serial)
    say("\nleft the console")


@lab.command()
@click.option("--prune", is_flag=True, help="Remove images of earlier recipes that no lab's disk stands on.")
def image(prune: bool) -> None:
    """Build the image of the lab server, if the present recipe has none yet."""
    from nfvcap.lab.image import ensure, remove_old
    from nfvcap.lab.lab import images_in_use
    from nfvcap.lab.stages import Stages

    if prune:
        for name in remove_old(images_in_use()):
            say(f"removed image {name}")

    stages = Stages(say)
    built = ensure(stages)
    say(f"image {built.directory.name} " + (f"built in {stages.total_s():.1f} s" if stages.times_s else "is there"))
    emit(str(built.directory))


@lab.group()
def wire() -> None:
    """The far end of the cable of each network port."""


_PORT = click.option("--port", type=click.IntRange(0, 1), default=0, show_default=True, help="Which port.")


@wire.command()
@_NAME
@_PORT
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many frames.")
@click.option("--dst", default="ff:ff:ff:ff:ff:ff", show_default=True, metavar="MAC", help="Destination address.")
@click.option("--size", "size_bytes", type=click.IntRange(60, 1514), default=64, show_default=True,
              help="Bytes of a frame, without its check sum.")  # fmt: skip
@click.option("--rate", "rate_pps", type=click.FloatRange(1), default=1000, show_default=True,
              help="Frames a second; an emulated port drops what comes faster than its driver takes it.")  # fmt: skip
@format_option("text", "json")
def send(*, name: str, port: int, count: int, dst: str, size_bytes: int, rate_pps: float, fmt: str) -> None:
    """Send numbered frames into a port."""
    from nfvcap.lab import Lab
    from nfvcap.lab.frames import send_numbered

    with Lab(name).wire(port) as end:
        send_numbered(end, dst, count, size_bytes, rate_pps)
        _counts(end.sent, end.sent_bytes, "sent", fmt)


@wire.command()
@_NAME
@_PORT
@click.option("--count", type=click.IntRange(1), help="Stop after so many frames.")
@click.option("--for", "for_s", type=click.FloatRange(0), default=10, show_default=True, metavar="S",
              help="Stop after so many seconds.")  # fmt: skip
@format_option("text", "json")
def receive(name: str, port: int, count: int | None, for_s: float, fmt: str) -> None:
    """Receive what a port sends, and count it."""
    from nfvcap.lab import Lab
    from nfvcap.lab.frames import receive_for

    with Lab(name).wire(port) as end:
        numbered = receive_for(end, count, for_s)
        _counts(end.received, end.received_bytes, "received", fmt, numbered=numbered)
    if count is not None and end.received < count:
        sys.exit(int(ExitCode.CHECK_FAILED))


@wire.command("status")
@_NAME
def wire_status(name: str) -> None:
    """Which wires have a listener; frames sent to one without have no receiver."""
    from nfvcap.lab import Lab
    from nfvcap.lab.text import port_lines

    machine = Lab(name)
    machine.require_running()
    for line in port_lines(machine.status()):
        emit(line)


def _counts(frames: int, size_bytes: int, verb: str, fmt: str, **more: int) -> None:
    if fmt == "json":
        emit(json.dumps({"frames": frames, "bytes": size_bytes, **more}))
    else:
        extra = "".join(f", {value} of them {key}" for key, value in more.items())
        emit(f"{frames} frames {verb}, {size_bytes} bytes{extra}")
