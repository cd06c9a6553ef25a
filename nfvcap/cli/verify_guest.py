# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify HOST --guest G`: the host's state, then numbered packets from outside into files in its guests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from nfvcap import __version__
from nfvcap.apply import guest as guests
from nfvcap.apply.ansible import run_playbooks
from nfvcap.apply.facts import KEY, decode
from nfvcap.cli.fleet import Fleet
from nfvcap.cli.output import paint, say
from nfvcap.cli.packet_options import PacketOptions
from nfvcap.cli.spot import Spot
from nfvcap.cli.verify_packets import keep, wish_of
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.facts import Facts
from nfvcap.model.result import Check, HostResult, Result
from nfvcap.planner.query import FACTS_QUERY
from nfvcap.verify.packets.engines.guest import driver_there
from nfvcap.verify.packets.engines.guestroom import around_host
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
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
    fmt: str

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
        return replace(self, looked=self.looked.with_options(**changed))

    def says(self, script: str) -> bool:
        """Does a script end well in the guest?"""
        with self.way() as door:
            return shell(door, script).ok

    def on_vfio(self, vfs: Sequence[GuestVf]) -> bool:
        """Has vfio-pci all these VFs in the guest?"""
        with self.way() as door:
            return all(vf.guest_address and driver_there(door, vf) == "vfio-pci" for vf in vfs)

    def way(self) -> AbstractContextManager[Door]:
        """Into the guest, open as long as the block."""
        return self.looked.guest_way(self.name)

    def result(self, host: HostResult, wish: Wish) -> HostResult:
        """Checks and measurement; whatever keeps it from being made is a check that says so."""
        from nfvcap.verify.packets.checks import failed

        try:
            before, vfs = tuple(self._noise()), self._vfs()
        except NfvcapError as error:
            return HostResult(host=host.host, environment=host.environment, checks=(failed(self.name, error),))
        return Spot(self.name, vfs, self.way).result(self.looked, host, wish, before)

    def _noise(self) -> Iterator[Check]:
        """Does the host leave the CPU of the guest's first vCPU alone?"""
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
        yield from noise(looked.host_door(), self.name, first[0], max(1, round(for_s)))

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
