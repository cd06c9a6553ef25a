# SPDX-License-Identifier: Apache-2.0
"""``nfvcap mirror test``: numbered frames to a watched guest, counted there and at the monitor."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply import mirror as applying
from nfvcap.apply.ansible import Target
from nfvcap.cli import mirror_view
from nfvcap.cli.fleet import open_fleet
from nfvcap.cli.options import format_option, inventory_option
from nfvcap.cli.output import emit, paint, say
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.mirror.chosen import chosen
from nfvcap.mirror.sender import frames, sender
from nfvcap.mirror.trial import Heard, Trial, words
from nfvcap.model.facts import Facts

_FLOWS = 65536


@click.command("test")
@click.argument("rule", metavar="RULE|MONITOR")
@inventory_option
@click.option("--host", default="", metavar="HOST", help="Host that has the rule; else every host is asked.")
@click.option("--from", "source", default="lab", show_default=True, metavar="SOURCE",
              help="Where the frames come from: lab or lab:NAME, the wire of a lab server.")  # fmt: skip
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="How many frames.")
@click.option("--size", "size_bytes", type=click.IntRange(60, 1514), default=64, show_default=True,
              help="Bytes of a frame, without its check sum.")  # fmt: skip
@click.option("--rate", "rate_pps", type=click.FloatRange(1), default=400, show_default=True, help="Frames a second.")
@format_option("text", "json")
def mirror_test(
    *, rule: str, inventory: tuple[Path, ...], host: str, source: str, count: int, size_bytes: int, rate_pps: float,
    fmt: str,
) -> int:  # fmt: skip
    """Send numbered frames to the first guest that RULE watches, and count them there and at the monitor.

    Exit code 4: the copy is not complete. 5: frames were lost on the way to the watched guest.
    """
    fleet = open_fleet("mirror-test", (host or "all",), inventory, "", 10, intents="none")
    name, target, found = _find(rule, fleet.target)
    known = facts_reader.collect(target)
    if name in known.failures:
        raise known.failures[name]
    mac, vlan = _address(found, known.values[name])
    origin, flow = sender(source, found["pf"]), secrets.randbelow(_FLOWS)
    batch = frames(count, size_bytes, flow, mac, vlan)
    watched = found["sources"][0]
    say(f"{name}: {count} frames of {size_bytes} bytes to {mac} ({watched['label'] or watched['kind']})")
    places = [{key: place[key] for key in ("kind", "index", "interface", "guest", "mac", "label")}
              for place in (watched, found["monitor"])]  # fmt: skip
    sent, heard = _run(target, found["pf"], places, lambda: origin.send(batch, rate_pps), flow)
    labels = [place["label"] or place["kind"] for place in places]
    trial = Trial(sent, *(Heard.of(label, told) for label, told in zip(labels, heard, strict=True)))
    if fmt == "json":
        emit(json.dumps({"host": name, "rule": found["rule_id"], **trial.as_dict()}, indent=2))
    else:
        for line in lines(mirror_view.copies(found), trial):
            emit(line)
    return int(trial.code)


def _find(word: str, target: Target) -> tuple[str, Target, Mapping[str, Any]]:
    listed = applying.apply(target, {"state": "list"})
    known = {host: listed.data(host, "rules") or [] for host in target.hosts if host not in listed.failures}
    if listed.failures and not known:
        raise next(iter(listed.failures.values()))
    ((host, ids),) = chosen([word], known).items()
    rule = next(one for one in known[host] if one["rule_id"] == ids[0])
    if not rule["pf"] or rule["sources"][0]["kind"] != "vf":
        raise UsageError(
            "NFV-MIRROR-033", f"rule {ids[0]} does not watch a single VF", rule["words"],
            "add a rule for one guest to try it out",
        )  # fmt: skip
    return host, replace(target, hosts=(host,)), rule


def _address(rule: Mapping[str, Any], facts: Facts) -> tuple[str, int]:
    """MAC address and VLAN of the watched VF."""
    index = rule["sources"][0]["index"]
    for nic in facts.nics:
        for vf in nic.sriov.vfs if nic.sriov and nic.address == rule["pf"] else ():
            if vf.index == index and vf.mac and vf.mac != "00:00:00:00:00:00":
                return vf.mac, vf.vlan or 0
    raise UsageError(
        "NFV-MIRROR-034", f"the address of vf{index} of {rule['pf']} is not known", "it has no administrative address",
        f"give vf {index} a mac in the inventory",
    )  # fmt: skip


def _run(
    target: Target, pf: str, places: list[dict[str, Any]], send: Callable[[], int], flow: int
) -> tuple[int, list[dict[str, Any]]]:
    """Open ears, send, close ears: whatever happens between, they are closed."""
    (host,) = target.hosts
    opened = applying.ears(target, {"state": "open", "pf": pf, "places": places, "token": secrets.token_hex(4)})
    if host in opened.failures:
        raise opened.failures[host]
    failure: BaseException | None = None
    sent = 0
    try:
        sent = send()
    except BaseException as error:
        failure = error
    closed = applying.ears(target, {"state": "closed", "ears": opened.data(host, "ears"), "flow": flow})
    if failure is not None:
        raise failure
    if host in closed.failures:
        raise closed.failures[host]
    heard: list[dict[str, Any]] = closed.data(host, "heard")
    if heard is None:
        raise NfvcapError("NFV-RUN-008", f"{host} did not say what was heard", "", "read the log of the run")
    return sent, heard


def lines(title: str, trial: Trial) -> Iterator[str]:
    """The outcome for people."""
    yield paint(title, "head")
    yield f"  sent                    {trial.sent}"
    for place, heard in (("watched", trial.watched), ("monitor", trial.monitor)):
        yield f"  at the {place:<16} {heard.distinct}  ({heard.label}; duplicates {heard.duplicates})"
        if missing := heard.missing(trial.sent):
            yield f"    missing: {words(missing)}"
    good = trial.lost_copies == 0 and not trial.monitor.duplicates
    yield paint("  the copy is complete" if good else f"  copies lost: {trial.lost_copies}", "PASS" if good else "FAIL")
