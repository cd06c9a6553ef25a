# SPDX-License-Identifier: Apache-2.0
"""Options that several verbs share: the same flag means the same everywhere and has the same help."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from nfvcap.cli import completion

F = TypeVar("F", bound=Callable[..., Any])


def words_of(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """A callback: the words for another program that one word of ours holds, split as a shell does."""
    try:
        return tuple(shlex.split(value or ""))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def format_option(*formats: str) -> Callable[[F], F]:
    """``--format``; the first one is the default."""
    return click.option(
        "--format", "fmt", type=click.Choice(formats), default=formats[0], show_default=True, help="Form of the output."
    )


def inventory_option(function: F) -> F:
    return click.option(
        "-i", "--inventory", "inventory", multiple=True, metavar="PATH", type=click.Path(path_type=Path),
        help="Ansible inventory; may be given several times. Else $NFVCAP_INVENTORY, else inventory/ or "
        "inventory.yml here, else the shipped lab inventory.",
    )(function)  # fmt: skip


def hosts_argument(required: bool = True) -> Callable[[F], F]:
    return click.argument(
        "hosts", nargs=-1, required=required, metavar="HOST..." if required else "[HOST]...",
        shell_complete=completion.hosts,
    )  # fmt: skip


def fleet_options(function: F) -> F:
    """``-i``, ``--limit`` and ``--forks``: for verbs that work on hosts of an inventory."""
    function = click.option(
        "--forks", type=click.IntRange(1, 500), default=10, show_default=True, help="Hosts worked on at a time."
    )(function)
    function = click.option(
        "--limit", default="", metavar="PATTERN", help="Only those of the hosts that match this Ansible pattern."
    )(function)
    return inventory_option(function)


def yes_option(function: F) -> F:
    """``--yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Apply without asking (a reboot has a switch of its own).")(
        function
    )


def consent_options(function: F) -> F:
    """``--yes`` and ``--reboot``: for verbs that change hosts."""
    function = click.option(
        "--reboot", type=click.Choice(["ask", "auto", "never"]), default="ask", show_default=True,
        help="What to do when a host has to be rebooted; never more than once.",
    )(function)  # fmt: skip
    return yes_option(function)
