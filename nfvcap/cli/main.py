# SPDX-License-Identifier: Apache-2.0
"""The command line: verbs are imported only when they are used, so that ``nfvcap --help`` starts fast."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import termios
from types import FrameType
from typing import Any

import click

from nfvcap import __version__
from nfvcap.errors import ExitCode, NfvcapError

# verb → (module under nfvcap.cli, one-line help). The help stands here so that listing verbs imports none of them.
VERBS: dict[str, tuple[str, str]] = {
    "provision": (
        "provision",
        "Make hosts ready to hand out VFs: plan, ask, apply, reboot by consent, verify.",
    ),
    "plan": ("plan", "Show what provision would change, with the disruption of each change."),
    "verify": ("verify", "Check hosts independently of the code that set them up, and captures by numbered packets."),
    "report": ("report", "Render results again, compare two, or show the history of a host."),
    "status": ("status", "Show host, NUMA nodes, PFs, VFs and guests, with drift marked."),
    "guest": ("guest", "Guests: created from the plan, started, stopped, removed, listed."),
    "attach-vf": ("attach_vf", "Give a guest a VF: choose it, set it up, plug it in; wholly or not at all."),
    "detach-vf": ("detach_vf", "Take a VF from a guest and make it what it was."),
    "deprovision": ("deprovision", "Bring hosts back to their recorded original state, and nothing else."),
    "mirror": ("mirror", "Copies of guests' frames for a monitor: add, remove, list, test, isolation."),
    "capture": ("capture", "Capture in a guest or on a host: start, stop, status, pull the files."),
    "doctor": (
        "doctor",
        "Is this controller, or a host, fit for the job? What was found, wanted, and the fix.",
    ),
    "explain": ("explain", "Explain a check or error by its id."),
    "check-config": ("check_config", "Validate an inventory without connecting to anything."),
    "lab": ("lab", "The emulated lab server: up, down, status, ssh, console, reset, wire."),
}


class LazyGroup(click.Group):
    """A click group whose commands are loaded on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module_name = VERBS[cmd_name][0]
        module = importlib.import_module(f"nfvcap.cli.{module_name}")
        command: click.Command = getattr(module, module_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], list(VERBS), n=1)
            if near:
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean '{near[0]}'?", ctx) from error
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="nfvcap")
def cli() -> None:
    """Turn a Linux server into a verified packet-capture host."""


def _unwind(number: int, frame: FrameType | None) -> None:
    """The first of these signals is Ctrl-C. More of them, as a shell and a kernel send for one closed terminal, must
    not disturb the putting in order. What would be printed to a terminal that is gone goes nowhere."""
    for one in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, lambda number, frame: None)
    if number == signal.SIGHUP:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            if _hung_up(descriptor):
                os.dup2(nowhere, descriptor)
    raise KeyboardInterrupt


def _hung_up(descriptor: int) -> bool:
    try:
        termios.tcgetattr(descriptor)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def main(argv: list[str] | None = None) -> None:
    """Entry point: runs the verb and turns every outcome into a documented exit code."""
    # A closed terminal or a CI runner's stop must unwind like Ctrl-C, so that nothing is left running.
    signal.signal(signal.SIGTERM, _unwind)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _unwind)
    try:
        result: Any = cli.main(args=argv, prog_name="nfvcap", standalone_mode=False)
        code = ExitCode(result) if isinstance(result, int) else ExitCode.OK
    except NfvcapError as error:
        click.echo(f"nfvcap: {error}", err=True)
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = ExitCode(error.exit_code) if error.exit_code in set(ExitCode) else ExitCode.INTERNAL
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("nfvcap: interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) went away: not our failure, and nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception as error:  # whatever nobody thought of: it must not pass for anything else
        import traceback

        traceback.print_exc()
        defect = NfvcapError(
            "NFV-CLI-007", "this is a defect of nfvcap", f"{type(error).__name__}: {error}",
            "report it with the lines above and the command; what was done to hosts is in the log of the run",
        )  # fmt: skip
        click.echo(f"nfvcap: {defect}", err=True)
        code = ExitCode.INTERNAL
    sys.exit(int(code))


if __name__ == "__main__":
    main()
