# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --guest G`: the host's state, then numbered packets from outside into files in its guests."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nfvcap import __version__
from nfvcap.apply import guest as guests
from nfvcap.apply.ansible import run_playbooks
from nfvcap.apply.facts import KEY, decode
from nfvcap.cli.fleet import Fleet
from nfvcap.cli.guest_run import GuestRun, add
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.verify_packets import keep, wish_of
from nfvcap.door.door import Door
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.result import HostResult, Result, Verdict
from nfvcap.planner.query import FACTS_QUERY
from nfvcap.report.jsonl import Events
from nfvcap.verify.packets.checks import cut_short
from nfvcap.verify.packets.checks import made as check
from nfvcap.verify.packets.engines.guestroom import around_host
from nfvcap.verify.packets.profiles import for_emulation
from nfvcap.verify.packets.run import INTERRUPTED, Wish, now
from nfvcap.verify.packets.sources.origin import Origin, origin

_LOOK_S = 600.0
_BUDGET_FACTOR = 5
"""A trial in a guest takes some round trips beside its sending, so a budget that nobody named is larger."""


@dataclass(frozen=True)
class Looked:
    """A host that was looked at, and what is asked for."""

    fleet: Fleet
    host: str
    facts: Facts
    seen: Mapping[str, Any]  # guests, as the module nfvcap_guest_info tells them
    source: Origin
    options: PacketOptions
    events: Events | None = None

    def with_options(self, **changed: Any) -> Looked:
        """The same with other options."""
        return replace(self, options=replace(self.options, **changed))

    def host_door(self) -> Door:
        """The way to the host itself."""
        from nfvcap.door.find import way_to_host

        return way_to_host(self.host, self.fleet.loaded)[0]

    def host_way(self) -> AbstractContextManager[Door]:
        """The same, as ways into guests are."""
        return nullcontext(self.host_door())

    def guest_way(self, name: str) -> AbstractContextManager[Door]:
        """Into a guest, open as long as the block."""
        from nfvcap.door.find import way_to_guest

        return way_to_guest(name, self.host, self.fleet.loaded)


def measure(fleet: Fleet, options: PacketOptions, events: Events | None = None) -> Result:
    """Judge the host, then measure into each guest that is named, one after the other; or all cells of the matrix.

    Where no guest is named, all that run and have VFs are measured.

    Raises:
        UsageError: NFV-PKT-203 several hosts, NFV-PKT-211 no such source, or none at all.
        NfvcapError: the host cannot be looked at.
    """
    if len(fleet.hosts) != 1:
        raise UsageError("NFV-PKT-203", "packets are for one host at a time", f"selected were {', '.join(fleet.hosts)}",
                         "name one host, or judge the state of all with --state-only")  # fmt: skip
    (host,) = fleet.hosts
    source = origin(options.source, fleet.loaded)
    wish = _wish(options, source)
    everybody = not options.guest and not options.matrix
    if everybody:
        _wire_is_there(source, host)
    if options.matrix:
        from nfvcap.apply import guestnic
        from nfvcap.cli.matrix_dpdk import reclaim
        from nfvcap.door.find import way_to_host

        reclaim(way_to_host(host, fleet.loaded)[0], partial(guestnic.unplug, fleet.target, host))
    judged = _state(fleet)
    if judged.hosts[0].blocked is not None:
        return judged
    facts, seen = _look(fleet, host, options.guest)
    looked = Looked(fleet, host, facts, seen, source, options, events)
    made = judged.hosts[0]
    made = made.model_copy(update={"environment": around_host(made.environment, facts)})
    if options.matrix:
        from nfvcap.cli.verify_matrix import guests as matrix_of

        made = matrix_of(looked, made, wish)
    else:
        if everybody:
            looked, made = _everybody(looked, made)
        made = _guests(looked, made, wish)
    result = Result(nfvcap_version=__version__, created_at=now(), hosts=(made,))
    keep(result, options)
    return result


def _wire_is_there(source: Origin, host: str) -> None:
    """Who names no guest has read no manual yet: minutes later is no time to hear that there is no source."""
    from nfvcap.lab import Lab

    if source.kind == "lab" and Lab(source.what).pid() is None:
        raise UsageError(
            "NFV-PKT-211", "there is no source of frames", f"they come from outside of {host}, and no lab runs here",
            f"nfvcap verify {host} --from HOST:PORT, or agent:PORT for a port of this machine, that is cabled to it; "
            f"nfvcap verify {host} --state-only sends no packets",
        )  # fmt: skip


def _everybody(looked: Looked, host: HostResult) -> tuple[Looked, HostResult]:
    """All guests that can be measured are asked for; when there is none, a warning says so."""
    known = {vf.address for nic in looked.facts.nics if nic.sriov for vf in nic.sriov.vfs}
    if looked.options.vf:
        known &= set(looked.options.vf)
    there = {name: _why_not(seen, known) for name, seen in looked.seen.items()}
    names = tuple(name for name, why in there.items() if not why)
    if names:
        say(f"guests with VFs: {', '.join(names)}")
        return looked.with_options(guest=names), host
    found = ", ".join(f"{name} {why}" for name, why in there.items()) or "no guests"
    none = check("NFV-PKT-003", "", Verdict.WARN, found, "a guest that runs and has a VF")
    return looked, host.model_copy(update={"checks": (*host.checks, none)})


def _why_not(seen: Mapping[str, Any], known: Container[str]) -> str:
    """Why a guest is not measured unless it is named; "" when it is."""
    if seen["state"] not in ("running", "blocked"):
        return f"is {seen['state']}"
    # A guest may have other devices of the host as well.
    return "" if any(entry["address"] in known for entry in seen["vfs"]) else "has no VF that is asked for"


def _guests(looked: Looked, made: HostResult, wish: Wish) -> HostResult:
    ended = False
    for name in looked.options.guest:
        run = GuestRun(looked, name)
        try:
            made = add(made, run.not_reached(made, wish) if ended else run.result(made, wish))
        except KeyboardInterrupt:
            # On the way to the guest, before there was a measurement that could say so itself.
            made = add(made, run.not_reached(made, wish))
            made = made.model_copy(update={"checks": (*made.checks, cut_short(name))})
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            ended = True
        if not ended and any(measurement.partial == INTERRUPTED for measurement in made.measurements):
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            ended = True
    return made


def _wish(options: PacketOptions, source: Origin) -> Wish:
    wish = wish_of(options)
    if wish.traffic.file and source.kind == "lab":
        raise UsageError(
            "NFV-PKT-211", "the wire of a lab server replays no files", f"asked for was {wish.traffic.file}",
            "--from agent:PORT or HOST:PORT, or frames of given sizes",
        )  # fmt: skip
    if source.kind == "lab":
        wish = replace(wish, profile=for_emulation(wish.profile))
    return wish if options.budget else replace(wish, budget_s=wish.budget_s * _BUDGET_FACTOR)


def _state(fleet: Fleet) -> Result:
    from nfvcap.verify.state import verify_hosts

    return verify_hosts(fleet.hosts, fleet.target.inventory, None, hostvars=fleet.variables, forks=1,
                        options=fleet.options)  # fmt: skip


def _look(fleet: Fleet, host: str, names: tuple[str, ...]) -> tuple[Facts, Mapping[str, Any]]:
    """Facts of the host, and what its guests see, by one Ansible process."""
    variables = {"nfvcap_query": FACTS_QUERY, "nfvcap_guest_names": list(names)}
    outcome = run_playbooks(["facts", "guest_info"], fleet.target, variables=variables, timeout_s=_LOOK_S)
    known = decode(outcome, fleet.hosts)
    for error in (*outcome.failures.values(), *known.failures.values()):
        raise error
    if host not in known.values:
        raise NfvcapError("NFV-RUN-008", f"{host} did not say what it is", f"no {KEY}", "read the log of the run")
    return known.values[host], {guest["name"]: guest for guest in guests.seen(outcome, host)}
