# SPDX-License-Identifier: Apache-2.0
"""``nfvcap mirror test``: numbered frames to a watched guest, counted there and at the monitor."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from nfvcap.apply import facts as facts_reader
from nfvcap.apply import mirror as applying
from nfvcap.apply.ansible import Target
from nfvcap.apply.hearing import hear
from nfvcap.cli import mirror_view
from nfvcap.cli.fleet import open_fleet
from nfvcap.cli.options import F, format_option, inventory_option
from nfvcap.cli.output import emit, paint, say
from nfvcap.cli.packet_options import from_option
from nfvcap.errors import ExitCode, NfvcapError, worst
from nfvcap.mirror.chosen import chosen
from nfvcap.mirror.sender import source
from nfvcap.mirror.stream import Stream
from nfvcap.mirror.trial import Trial, words
from nfvcap.mirror.tried import Tried, tried
from nfvcap.mirror.watched import address
from nfvcap.verify.packets.sources.origin import origin

_LONGEST_S = 900.0
_STANDS_S = 15.0


def sending_options(function: F) -> F:
    """Where numbered frames come from, and what they are like."""
    options = [
        from_option("from_"),
        click.option("--size", "size_bytes", type=click.IntRange(60, 1514), default=64, show_default=True,
                     help="Bytes of a frame, without its check sum."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.command("test")
@click.argument("rule", metavar="RULE|MONITOR")
@inventory_option
@click.option("--host", default="", metavar="HOST", help="Host that has the rule; else every host is asked.")
@sending_options
@click.option("--count", type=click.IntRange(1, 1_000_000), default=500, show_default=True, help="How many frames.")
@click.option("--rate", "rate_pps", type=click.FloatRange(1), default=100, show_default=True, help="Frames a second.")
@format_option("text", "json")
def mirror_test(
    *, rule: str, inventory: tuple[Path, ...], host: str, from_: str, size_bytes: int, count: int, rate_pps: float,
    fmt: str,
) -> int:  # fmt: skip
    """Send numbered frames to the first guest that RULE watches, and count them there and at the monitor.

    Of other guests that RULE watches, and of what they send, it says that this is not tried.

    It ends when the rule stands as before. Exit code 4: the copy is not complete, or the rule does not stand again. 5:
    frames were lost on the way to the watched guest.
    """
    fleet = open_fleet("mirror-test", (host or "all",), inventory, "", 10, intents="none")
    name, target, found = _find(rule, fleet.target)
    part, pf = tried(found), found["pf"]
    watched = part.source
    known = facts_reader.collect(target)
    if name in known.failures:
        raise known.failures[name]
    stream = Stream(*address(known.values[name], pf, watched["index"]), size_bytes, count)
    sender, longest_s = source(origin(from_, fleet.loaded), pf), _LONGEST_S + count / rate_pps
    say(f"{name}: {count} frames of {size_bytes} bytes to {stream.mac} ({watched['label'] or watched['kind']})")
    lacking: list[str] = []
    try:
        (sent,), heard = hear(
            target, pf, [watched, found["monitor"]], (0, 0),
            lambda: sender.send([stream], rate_pps, threading.Event(), longest_s), longest_s=longest_s,
        )  # fmt: skip
    finally:
        lacking += _lacking(target, found["rule_id"])
    trial = Trial(sent.count, *heard)
    if fmt == "json":
        about = {"host": name, "rule": found["rule_id"], "tried": part.as_dict()}
        emit(json.dumps({**about, **trial.as_dict(), "lacking": lacking}, indent=2))
    else:
        for line in lines(mirror_view.copies(found), trial, part):
            emit(line)
    if lacking:
        say(f"\n{_fallen(name, found['rule_id'], lacking)}")
    return int(worst(trial.code, *[ExitCode.CHECK_FAILED] * bool(lacking)))


def _lacking(target: Target, rule_id: str) -> list[str]:
    """What the rule lacks when the keeper has had time: an ear that goes makes drivers of VFs set their own address."""
    (host,) = target.hosts
    listed = applying.apply(target, {"state": "list", "rules": [rule_id], "within_s": _STANDS_S})
    if host in listed.failures:
        raise listed.failures[host]
    rules = [rule for rule in listed.data(host, "rules") or [] if rule["rule_id"] == rule_id]
    return list(rules[0]["lacking"]) if rules else [f"{rule_id} was removed meanwhile"]


def _fallen(host: str, rule_id: str, lacking: list[str]) -> NfvcapError:
    return NfvcapError(
        "NFV-MIRROR-035", f"{host}: rule {rule_id} does not stand {_STANDS_S:g} s after the test", "; ".join(lacking),
        "is the keeper at work? systemctl status nfvcap-mirror on the host, and nfvcap mirror list",
        ExitCode.CHECK_FAILED,
    )  # fmt: skip


def _find(word: str, target: Target) -> tuple[str, Target, Mapping[str, Any]]:
    listed = applying.apply(target, {"state": "list"})
    known = {host: listed.data(host, "rules") or [] for host in target.hosts if host not in listed.failures}
    if listed.failures and not known:
        raise next(iter(listed.failures.values()))
    ((host, ids),) = chosen([word], known).items()
    rule = next(one for one in known[host] if one["rule_id"] == ids[0])
    return host, replace(target, hosts=(host,)), rule


def lines(title: str, trial: Trial, part: Tried) -> Iterator[str]:
    """The outcome for people."""
    yield paint(title, "head")
    if part.left_out:
        yield f"  tried                   {part.words()}"
    yield f"  sent                    {trial.sent}"
    for place, heard in (("watched", trial.watched), ("monitor", trial.monitor)):
        yield f"  at the {place:<16} {heard.distinct}  ({heard.label}; duplicates {heard.duplicates})"
        if missing := heard.missing(trial.sent):
            yield f"    missing: {words(missing)}"
    good = trial.lost_copies == 0 and not trial.monitor.duplicates
    complete = "  the copy is complete" + (", as far as it was tried" if part.left_out else "")
    yield paint(complete if good else f"  copies lost: {trial.lost_copies}", "PASS" if good else "FAIL")
    if trial.lost_copies:
        yield "    a monitor that takes frames too slowly loses copies as well: try a lower --rate"
