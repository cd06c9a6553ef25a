# SPDX-License-Identifier: Apache-2.0
"""One guest that is measured into: all its VFs together, each a flow of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nfvcap.cli.spot import Spot
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import Check, HostResult
from nfvcap.verify.packets.engines.guest import driver_there, path_name, title_of, word_of
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.run import Wish

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked


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

    def with_options(self, **changed: object) -> GuestRun:
        """The same with other options."""
        return GuestRun(self.looked.with_options(**changed), self.name)

    def says(self, script: str) -> bool:
        """Does a script end well in the guest?"""
        with self.way() as door:
            return shell(door, script).ok

    def on_vfio(self, vfs: Sequence[GuestVf]) -> bool:
        """Has vfio-pci all these VFs in the guest?"""
        with self.way() as door:
            return all(vf.guest_address and driver_there(door, vf) == "vfio-pci" for vf in vfs)

    def tcpdump(self, interface: str) -> str:
        """By what tcpdump captures there, "libpcap" or "PF_RING"; "" where it cannot."""
        from nfvcap.verify.packets.points.tcpdump import NONE, look

        with self.way() as door:
            try:
                return look(door, interface).engine
            except NfvcapError as error:
                if error.code != NONE:
                    raise
        return ""

    def way(self) -> AbstractContextManager[Door]:
        """Into the guest, open as long as the block."""
        return self.looked.guest_way(self.name)

    def result(self, host: HostResult, wish: Wish) -> HostResult:
        """Checks and measurements; whatever keeps one from being made is a check that says so."""
        from nfvcap.verify.packets.untried import untried

        before: tuple[Check, ...] = ()
        try:
            before = tuple(self.noise())
            vfs = self._vfs()
        except NfvcapError as error:
            told = untried(self.path_name() + wish.behind, wish, error)
            return HostResult(host=host.host, environment=host.environment, checks=(*before, *told))
        return Spot(self.name, vfs, self.way).result(self.looked, host, wish, before)

    def not_reached(self, host: HostResult, wish: Wish) -> HostResult:
        """The checks that it would have had, when the run was interrupted before."""
        from nfvcap.verify.packets.untried import NOT_REACHED, unmeasured

        told = unmeasured(self.path_name() + wish.behind, wish, NOT_REACHED)
        return HostResult(host=host.host, environment=host.environment, checks=told)

    def path_name(self) -> str:
        """What its path is called when it is measured, as far as that is known without asking the guest."""
        entries = self._entries()
        interfaces = [entry["interface"] or "" for entry in entries] if self._seen["state"] == "running" else []
        addresses = [str(entry["address"]) for entry in entries] or list(self.looked.options.vf)
        return path_name(title_of(self.name, addresses), word_of(self.looked.options.engine, interfaces))

    @property
    def _seen(self) -> Mapping[str, Any]:
        seen: Mapping[str, Any] = self.looked.seen[self.name]
        return seen

    def _entries(self) -> list[Mapping[str, Any]]:
        """VFs that the guest has and that are asked for, as they were seen."""
        wanted = self.looked.options.vf
        known = {vf.address for nic in self.looked.facts.nics if nic.sriov for vf in nic.sriov.vfs}
        there = [entry for entry in self._seen["vfs"] if entry["address"] in known]
        return [entry for entry in there if not wanted or entry["address"] in wanted]

    def noise(self) -> Iterator[Check]:
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
        vfs = vfs_of(self._seen, self.looked.facts)
        wanted = self.looked.options.vf
        found = tuple(vf for vf in vfs if not wanted or vf.address in wanted)
        if not found:
            raise UsageError(
                "NFV-PKT-209", f"guest {self.name} has no VF {', '.join(wanted)}",
                f"it has {', '.join(vf.address for vf in vfs)}", "correct --vf",
            )  # fmt: skip
        return found
