# SPDX-License-Identifier: Apache-2.0
"""``nfvcap attach-vf``: a guest gets a VF, wholly or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nfvcap.apply import attach as applying
from nfvcap.attach.document import attachment, document
from nfvcap.attach.request import Request, Where
from nfvcap.cli import attach_view
from nfvcap.cli.guest_host import find_place, host_options, operator
from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, paint, say
from nfvcap.errors import UsageError

SCHEMA = "nfvcap/attached/1"


@click.command()
@click.argument("guest")
@host_options
@click.option("--pf", default="", metavar="PF", help="Take a VF of this port: its interface name or PCI address.")
@click.option("--vf", default="", metavar="VF", help="This VF: ens1f0:vf3, 0000:81:10.3, or a number with --pf. "
              "Else the best free one, near the guest's NUMA node.")  # fmt: skip
@click.option("--mac", default="", metavar="MAC", help="MAC address that the guest sees. Else that of the inventory, "
              "else the VF's own, else one is made.")  # fmt: skip
@click.option("--vlan", type=int, metavar="ID", help="VLAN that the NIC adds and removes; 0: none.")
@click.option("--trust/--no-trust", default=None, help="The guest may ask for promiscuous mode and change its address.")
@click.option("--spoofchk/--no-spoofchk", default=None, help="The NIC drops frames with a foreign source address.")
@click.option("--live", "where", flag_value="live", help="Only into the running guest, until it stops.")
@click.option("--config", "where", flag_value="config", help="Only into its definition, from its next start on.")
@click.option("--both", "where", flag_value="both", help="Both. Without any of the three: wherever it can be.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1, 3600), default=60, show_default=True, metavar="S",
              help="How long the guest may take to see the device.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be done, ask the host whether it would; change nothing.")
@format_option("text", "json")
def attach_vf(
    *, guest: str, host: str, inventory: tuple[Path, ...], pf: str, vf: str, mac: str, vlan: int | None,
    trust: bool | None, spoofchk: bool | None, where: str | None, timeout_s: float, dry_run: bool, fmt: str,
) -> None:  # fmt: skip
    """Give GUEST a VF: choose it, set it up, plug it in, and wait until the guest has it.

    One transaction: when a step fails, VF, driver and guest are exactly as before.
    """
    wish = Request(
        guest=guest, pf=pf, vf=vf, mac=mac, vlan=vlan, trust=trust, spoofchk=spoofchk,
        where=Where(where or "auto"), timeout_s=timeout_s, by=operator(),
    )  # fmt: skip
    place = find_place("attach-vf", guest, host, inventory)
    wanted = attachment(place.host, wish, place.facts, place.plan)
    made = document({place.host: wanted})
    (place.target.run_dir.path / "attach.json").write_text(made.to_json(), encoding="utf-8")
    for line in attach_view.proposal(place.host, wanted):
        say(line)
    outcome = applying.attach(place.target, made, check=dry_run)
    for note in outcome.data(place.host, "nfvcap_notes") or ():
        say(f"  {paint('!', 'WARN')} {note}")
    if place.host in outcome.failures:
        raise outcome.failures[place.host]
    if dry_run:
        if fmt == "json":
            emit(made.to_json().rstrip())
        say("nothing was changed: the host would accept this")
        return
    result = outcome.data(place.host, "nfvcap_attached")
    if result is None:
        raise UsageError("NFV-RUN-008", f"{place.host} did not say what it attached", "", "read the log of the run")
    if fmt == "json":
        emit(json.dumps({"schema": SCHEMA, "host": place.host, **result}, indent=2))
        return
    for line in attach_view.attached(place.host, result):
        emit(line)
