# SPDX-License-Identifier: Apache-2.0
"""Asking before anything is changed; all questions come before the first change."""

from __future__ import annotations

from collections.abc import Mapping

import click

from nfvcap.cli.output import interactive, plural, say
from nfvcap.errors import UsageError
from nfvcap.model.facts import Facts


def may_change(question: str, yes: bool) -> bool:
    """Is the change wanted? ``yes`` answers beforehand.

    Raises:
        UsageError: NFV-CLI-003 when it would have to be asked and nobody is there.
    """
    if yes:
        return True
    if not interactive():
        raise UsageError(
            "NFV-CLI-003",
            "nothing was changed: there is no terminal to ask at",
            question,
            "add --yes, and --reboot auto if the hosts may be rebooted",
        )
    return click.confirm(question, err=True)


def may_reboot(hosts: tuple[str, ...], facts: Mapping[str, Facts]) -> bool:
    """May these hosts be rebooted? Where nobody can be asked the answer is no."""
    for host in hosts:
        running = [guest.name for guest in facts[host].guests if guest.state == "running"]
        if running:
            say(f"{host} runs {plural(len(running), 'guest')} that a reboot stops: {', '.join(running)}")
    if not interactive():
        say(f"not rebooting {', '.join(hosts)}: nobody can be asked (--reboot auto allows it)")
        return False
    return click.confirm(f"Reboot {', '.join(hosts)} once, when the settings for the boot are written?", err=True)
