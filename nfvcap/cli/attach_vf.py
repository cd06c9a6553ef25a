# SPDX-License-Identifier: Apache-2.0
"""``nfvcap attach-vf``: a guest gets a VF, wholly or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import attach as applying
from nfvcap.attach.document import attachment, document
from nfvcap.attach.request import Request, Where
from nfvcap.cli import attach_view
from nfvcap.cli.guest_host import Place, find_place, host_options, operator
from nfvcap.cli.mirror_offer import foretell, offered, tell
from nfvcap.cli.options import format_option
from nfvcap.cli.output import emit, paint, say
from nfvcap.errors import ExitCode, UsageError
from nfvcap.mirror.duration import seconds
from nfvcap.mirror.request import Spot, port_of, resolve_for
from nfvcap.model.attach import Attachment, MirrorOffer, MirrorWish
from nfvcap.model.intent import MirrorIntent

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
@click.option(
    "--mirror",
    "sources",
    is_flag=False,
    flag_value="all",
    default="",
    metavar="[all|uplink|GUEST,...]",
    help="Also copy to it what these guests receive or send; removed again at detach. See nfvcap mirror.",
)
@click.option(
    "--direction",
    type=click.Choice(["in", "out", "both"]),
    default=None,
    help="With --mirror: what the watched guests receive, send, or both. Else as far as the card can.",
)
@click.option("--for", "duration", default="", metavar="TIME", help="With --mirror: end the copies after 30m, 2h, 1d.")
@click.option("--allow-promisc", is_flag=True, help="With --mirror: allow a promiscuous VF, which sees every guest.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, ask the host whether it would; change nothing.")
@format_option("text", "json")
def attach_vf(
    *, guest: str, host: str, inventory: tuple[Path, ...], pf: str, vf: str, mac: str, vlan: int | None,
    trust: bool | None, spoofchk: bool | None, where: str | None, timeout_s: float, sources: str,
    direction: str | None, duration: str, allow_promisc: bool, dry_run: bool, fmt: str,
) -> int:  # fmt: skip
    """Give GUEST a VF: choose it, set it up, plug it in, and wait until the guest has it.

    One transaction: when a step fails, VF, driver and guest are exactly as before. A dry run ends with exit code 3.
    """
    wish = Request(
        guest=guest, pf=pf, vf=vf, mac=mac, vlan=vlan, trust=trust, spoofchk=spoofchk,
        where=Where(where or "auto"), timeout_s=timeout_s, by=operator(),
    )  # fmt: skip
    seconds(duration)  # a mistake in it is told before anything is asked
    place = find_place("attach-vf", guest, host, inventory)
    if sources and not (pf or vf):
        wish = replace(wish, pf=port_of(sources, place.facts))  # a card copies between its own VFs only
    wanted = attachment(place.host, wish, place.facts, place.plan)
    if sources:
        copies = _mirror(wanted, sources, place, direction=direction or "", for_s=seconds(duration))
        consent = allow_promisc or copies.may_promisc
        wanted = wanted.model_copy(update={"mirror": copies.model_copy(update={"may_promisc": consent})})
    made = document({place.host: wanted})
    (place.target.run_dir.path / "attach.json").write_text(made.to_json(), encoding="utf-8")
    for line in attach_view.proposal(place.host, wanted):
        say(line)
    said = None
    if sources and fmt == "text" and not dry_run:
        told = foretell(place.target, lambda: applying.attach(place.target, made, check=True))
        said = tell(_indented, "copies", told, place.host)
    outcome = applying.attach(place.target, made, check=dry_run)
    for note in outcome.data(place.host, "nfvcap_notes") or ():
        say(f"  {paint('!', 'WARN')} {note}")
    if place.host in outcome.failures:
        raise outcome.failures[place.host]
    if fmt == "text":
        tell(_indented, "copies", outcome, place.host, said)
    if dry_run:
        if fmt == "json":
            offer = offered(outcome, place.host)
            made = document({place.host: wanted.model_copy(update={"mirror_offer": offer and MirrorOffer(**offer)})})
            emit(made.to_json().rstrip())
        say("nothing was changed: the host would accept this")
        return int(ExitCode.CHANGES_PENDING)
    _tell(place.host, outcome.data(place.host, "nfvcap_attached"), fmt)
    return int(ExitCode.OK)


def _indented(line: str) -> None:
    say(f"  {line}")


def _tell(host: str, result: dict[str, Any] | None, fmt: str) -> None:
    if result is None:
        raise UsageError("NFV-RUN-008", f"{host} did not say what it attached", "", "read the log of the run")
    if fmt == "json":
        emit(json.dumps({"schema": SCHEMA, "host": host, **result}, indent=2))
        return
    for line in attach_view.attached(host, result):
        emit(line)


def _mirror(wanted: Attachment, sources: str, place: Place, *, direction: Any, for_s: int) -> MirrorWish:
    """What the guest is to get copies of, by the VF that was chosen for it."""
    end = Spot(wanted.pf, "vf", wanted.guest, index=wanted.index)
    found = resolve_for(wanted.guest, [end], sources, place.facts)
    consent = place.intent.mirror if place.intent else MirrorIntent()
    return MirrorWish(
        sources=tuple(source.as_place() for source in found.sources), direction=direction, backend="",
        may_registers=consent.registers, may_promisc=consent.promisc, for_s=for_s,
    )  # fmt: skip
