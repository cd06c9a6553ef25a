# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --guest G`: the host's state, then numbered packets from outside into files in its guests."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from nfvcap import __version__
from nfvcap.apply import guest as guests
from nfvcap.apply.ansible import run_playbooks
from nfvcap.apply.facts import KEY, decode
from nfvcap.cli.fleet import Fleet
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.verify_packets import Narrator, keep, wish_of
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult, Result
from nfvcap.planner.query import FACTS_QUERY
from nfvcap.verify.packets.engines.guestroom import around_host
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.profiles import for_emulation
from nfvcap.verify.packets.run import INTERRUPTED, Run, Wish, now
from nfvcap.verify.packets.sources.named import Origin, origin

_LOOK_S = 600.0
_BUDGET_FACTOR = 5
"""A trial in a guest takes some round trips beside its sending, so a budget that nobody named is larger."""


def measure(fleet: Fleet, names: tuple[str, ...], options: PacketOptions, fmt: str) -> Result:
    """Judge the host, then measure into each guest, one after the other.

    Raises:
        UsageError: NFV-PKT-203 several hosts, NFV-PKT-211 no such source.
        NfvcapError: the host cannot be looked at.
    """
    if len(fleet.hosts) != 1:
        raise UsageError("NFV-PKT-203", "--guest is for one host", f"selected were {', '.join(fleet.hosts)}",
                         "name the guest's host")  # fmt: skip
    (host,) = fleet.hosts
    source = origin(options.source)
    wish = wish_of(options)
    if wish.traffic.file and source.kind == "lab":
        raise UsageError(
            "NFV-PKT-211", "the wire of a lab server replays no files", f"asked for was {wish.traffic.file}",
            "--from agent:PORT, or frames of given sizes",
        )  # fmt: skip
    if source.kind == "lab":
        wish = replace(wish, profile=for_emulation(wish.profile))
    wish = wish if options.budget else replace(wish, budget_s=wish.budget_s * _BUDGET_FACTOR)
    judged = _state(fleet)
    if judged.hosts[0].blocked is not None:
        return judged
    facts, seen = _look(fleet, host, names)
    made = judged.hosts[0]
    made = made.model_copy(update={"environment": around_host(made.environment, facts)})
    for name in names:
        made = _add(made, _Guest(fleet, host, facts, seen[name], source, options, fmt).result(made, wish))
        if any(measurement.partial == INTERRUPTED for measurement in made.measurements):
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            break
    result = Result(nfvcap_version=__version__, created_at=now(), hosts=(made,))
    keep(result, options)
    return result


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


def _add(host: HostResult, more: HostResult) -> HostResult:
    return host.model_copy(
        update={
            "environment": more.environment,
            "fingerprint": more.fingerprint,
            "checks": (*host.checks, *more.checks),
            "measurements": (*host.measurements, *more.measurements),
        }
    )


@dataclass(frozen=True)
class _Guest:
    """One guest to be measured into."""

    fleet: Fleet
    host: str
    facts: Facts
    seen: Mapping[str, Any]
    source: Origin
    options: PacketOptions
    fmt: str

    def result(self, host: HostResult, wish: Wish) -> HostResult:
        """Checks and measurement; whatever keeps it from being made is a check that says so."""
        from nfvcap.verify.packets.checks import checks, failed
        from nfvcap.verify.packets.machine import fingerprint

        name = self.seen["name"]
        try:
            around, measurement = self._measure(host.environment, wish)
        except NfvcapError as error:
            return HostResult(host=host.host, environment=host.environment, checks=(failed(name, error),))
        digest = fingerprint(around)
        found: tuple[Check, ...] = checks(measurement, digest)
        return HostResult(host=host.host, environment=around, checks=found, fingerprint=digest,
                          measurements=(measurement,))  # fmt: skip

    def _measure(self, environment: Mapping[str, Any], wish: Wish) -> tuple[dict[str, Any], Measurement]:
        from nfvcap.agent.build import locate
        from nfvcap.agent.deploy import deploy
        from nfvcap.door.find import way_to_guest, way_to_host
        from nfvcap.verify.packets.engines.guest import Place, guest_path
        from nfvcap.verify.packets.engines.guestroom import around_guest, directory_for
        from nfvcap.verify.packets.machine import fingerprint

        name, options = str(self.seen["name"]), self.options
        vfs = self._vfs()
        wish = replace(wish, traffic=wish.traffic.model_copy(update={"flows": max(len(vfs), wish.traffic.flows)}))
        with ExitStack() as stack:
            source = stack.enter_context(self.source.open(vfs))
            say(f"{name}: a way in, and the agent there …")
            door = stack.enter_context(way_to_guest(name, self.host, self.fleet.loaded))
            agent = deploy(door, locate())
            place = Place(door, agent, directory_for(door, options.directory), self._options_there())
            path = stack.enter_context(
                guest_path(name, vfs, place, source, wish.profile, engine=options.engine, label=self.source.label,
                           host=way_to_host(self.host, self.fleet.loaded)[0])
            )  # fmt: skip
            around = {**environment, **around_guest(name, door, agent, place.directory, vfs)}
            run = Run(path, wish, None, fingerprint(around), Narrator(self.fmt).follow())
            return around, run.measure()

    def _vfs(self) -> tuple[GuestVf, ...]:
        vfs = vfs_of(self.seen, self.facts)
        wanted = self.options.vf
        found = tuple(vf for vf in vfs if not wanted or vf.address in wanted)
        if not found:
            raise UsageError(
                "NFV-PKT-209", f"guest {self.seen['name']} has no VF {', '.join(wanted)}",
                f"it has {', '.join(vf.address for vf in vfs)}", "correct --vf",
            )  # fmt: skip
        return found

    def _options_there(self) -> tuple[str, ...]:
        """Options for the capture, unless told otherwise: a guest may be small, and an emulated one has no time for
        polls that bring nothing."""
        wanted = self.options.capture_options
        usual = {"--burst-buffer": "16M"} | ({"--idle-sleep": "1ms"} if self.source.kind == "lab" else {})
        return (*wanted, *(word for key, value in usual.items() if key not in wanted for word in (key, value)))
