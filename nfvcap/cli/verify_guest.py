# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --guest G`: the host's state, then numbered packets from outside into files in its guests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any

from nfvcap import __version__
from nfvcap.apply import guest as guests
from nfvcap.apply.ansible import run_playbooks
from nfvcap.apply.facts import KEY, decode
from nfvcap.cli import calibrations
from nfvcap.cli.fleet import Fleet
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.verify_packets import Narrator, keep, wish_of
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult, Result
from nfvcap.planner.query import FACTS_QUERY
from nfvcap.verify.packets.engines.guest import driver_there
from nfvcap.verify.packets.engines.guestroom import around_host
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.profiles import for_emulation
from nfvcap.verify.packets.run import INTERRUPTED, Run, Wish, now
from nfvcap.verify.packets.sources.named import opened
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
    fmt: str


def measure(fleet: Fleet, options: PacketOptions, fmt: str) -> Result:
    """Judge the host, then measure into each guest that is named, one after the other; or all cells of the matrix.

    Raises:
        UsageError: NFV-PKT-203 several hosts, NFV-PKT-211 no such source.
        NfvcapError: the host cannot be looked at.
    """
    if len(fleet.hosts) != 1:
        raise UsageError("NFV-PKT-203", "packets are for one host at a time", f"selected were {', '.join(fleet.hosts)}",
                         "name the guest's host")  # fmt: skip
    (host,) = fleet.hosts
    source = origin(options.source, fleet.loaded)
    wish = _wish(options, source)
    judged = _state(fleet)
    if judged.hosts[0].blocked is not None:
        return judged
    facts, seen = _look(fleet, host, options.guest)
    looked = Looked(fleet, host, facts, seen, source, options, fmt)
    made = judged.hosts[0]
    made = made.model_copy(update={"environment": around_host(made.environment, facts)})
    if options.matrix:
        from nfvcap.cli.verify_matrix import guests as matrix_of

        made = matrix_of(looked, made, wish)
    else:
        made = _guests(looked, made, wish)
    result = Result(nfvcap_version=__version__, created_at=now(), hosts=(made,))
    keep(result, options)
    return result


def _guests(looked: Looked, made: HostResult, wish: Wish) -> HostResult:
    for name in looked.options.guest:
        made = add(made, GuestRun(looked, name).result(made, wish))
        if any(measurement.partial == INTERRUPTED for measurement in made.measurements):
            say(paint("interrupted: the report is partial, and says so", "WARN"))
            break
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


def add(host: HostResult, more: HostResult) -> HostResult:
    """A host's result with that of one more measurement."""
    return host.model_copy(
        update={
            "environment": more.environment,
            "fingerprint": more.fingerprint or host.fingerprint,
            "checks": (*host.checks, *more.checks),
            "measurements": (*host.measurements, *more.measurements),
        }
    )


@dataclass(frozen=True)
class GuestRun:
    """One guest to be measured into."""

    looked: Looked
    name: str

    def with_options(self, **changed: Any) -> GuestRun:
        """The same with other options."""
        return replace(self, looked=replace(self.looked, options=replace(self.looked.options, **changed)))

    def says(self, script: str) -> bool:
        """Does a script end well in the guest?"""
        with self._way() as door:
            return shell(door, script).ok

    def on_vfio(self, vfs: Sequence[GuestVf]) -> bool:
        """Has vfio-pci all these VFs in the guest?"""
        with self._way() as door:
            return all(vf.guest_address and driver_there(door, vf) == "vfio-pci" for vf in vfs)

    def _way(self) -> AbstractContextManager[Door]:
        from nfvcap.door import find

        return find.way_to_guest(self.name, self.looked.host, self.looked.fleet.loaded)

    def result(self, host: HostResult, wish: Wish) -> HostResult:
        """Checks and measurement; whatever keeps it from being made is a check that says so."""
        from nfvcap.verify.packets.checks import checks, failed
        from nfvcap.verify.packets.machine import fingerprint

        try:
            before = tuple(self._noise())
            around, measurement = self._measure(host.environment, wish)
        except NfvcapError as error:
            return HostResult(host=host.host, environment=host.environment, checks=(failed(self.name, error),))
        digest = fingerprint(around)
        found: tuple[Check, ...] = (*before, *checks(measurement, digest))
        return HostResult(host=host.host, environment=around, checks=found, fingerprint=digest,
                          measurements=(measurement,))  # fmt: skip

    def _measure(self, environment: Mapping[str, Any], wish: Wish) -> tuple[dict[str, Any], Measurement]:
        from nfvcap.agent.build import locate
        from nfvcap.agent.deploy import deploy
        from nfvcap.door.find import way_to_host
        from nfvcap.verify.packets.engines.guest import Place, guest_path
        from nfvcap.verify.packets.engines.guestroom import around_guest, directory_for
        from nfvcap.verify.packets.machine import fingerprint

        name, looked, options = self.name, self.looked, self.looked.options
        vfs = self._vfs()
        wish = replace(wish, traffic=wish.traffic.model_copy(update={"flows": max(len(vfs), wish.traffic.flows)}))
        with ExitStack() as stack:
            source = stack.enter_context(opened(looked.source, vfs))
            say(f"{name}: a way in, and the agent there …")
            door = stack.enter_context(self._way())
            agent = deploy(door, locate())
            place = Place(door, agent, directory_for(door, options.directory), self._options_there())
            path = stack.enter_context(
                guest_path(name, vfs, place, source, wish.profile, engine=options.engine, label=looked.source.label,
                           host=way_to_host(looked.host, looked.fleet.loaded)[0])
            )  # fmt: skip
            around = {**environment, **around_guest(name, door, agent, place.directory, vfs)}
            made = calibrations.kept(looked.host, path, wish.traffic, options)
            measurement = Run(path, wish, made, fingerprint(around), Narrator(looked.fmt).follow()).measure()
            if wish.only_calibrate:
                calibrations.keep(looked.host, measurement)
            return around, measurement

    def _noise(self) -> Iterator[Check]:
        """Does the host leave the CPU of the guest's first vCPU alone?"""
        from nfvcap.door.find import way_to_host
        from nfvcap.verify.packets.checks import skipped
        from nfvcap.verify.packets.engines.noise import CHECK, noise

        looked, for_s = self.looked, self.looked.options.noise
        if not for_s:
            return
        pins = next((guest.vcpu_pins for guest in looked.facts.guests if guest.name == self.name), {})
        first = pins.get(min(pins, default=0), ())
        if len(first) != 1:
            yield skipped(CHECK, self.name, "its vCPUs are not pinned to CPUs of their own")
            return
        yield from noise(way_to_host(looked.host, looked.fleet.loaded)[0], self.name, first[0], max(1, round(for_s)))

    def _vfs(self) -> tuple[GuestVf, ...]:
        vfs = vfs_of(self.looked.seen[self.name], self.looked.facts)
        wanted = self.looked.options.vf
        found = tuple(vf for vf in vfs if not wanted or vf.address in wanted)
        if not found:
            raise UsageError(
                "NFV-PKT-209", f"guest {self.name} has no VF {', '.join(wanted)}",
                f"it has {', '.join(vf.address for vf in vfs)}", "correct --vf",
            )  # fmt: skip
        return found

    def _options_there(self) -> tuple[str, ...]:
        """Options for the capture, unless told otherwise: a guest may be small, and an emulated one has no time for
        polls that bring nothing."""
        wanted = self.looked.options.capture_options
        usual = {"--burst-buffer": "16M"} | ({"--idle-sleep": "1ms"} if self.looked.source.kind == "lab" else {})
        return (*wanted, *(word for key, value in usual.items() if key not in wanted for word in (key, value)))
