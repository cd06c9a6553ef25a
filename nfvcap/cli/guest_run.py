# SPDX-License-Identifier: Apache-2.0
"""One guest that is measured into: its VFs together where the source can send to all of them, else one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfvcap.cli.output import say
from nfvcap.cli.spot import Spot
from nfvcap.door.door import Door, shell
from nfvcap.errors import NfvcapError, UsageError
from nfvcap.model.result import Check, HostResult
from nfvcap.verify.packets.engines.guest import driver_there
from nfvcap.verify.packets.engines.vf import GuestVf, vfs_of
from nfvcap.verify.packets.run import INTERRUPTED, Wish
from nfvcap.verify.packets.sources.named import ONE_AT_A_TIME, sends_to_several

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked

TOGETHER = "NFV-PKT-022"
"""The check that all VFs of a guest are measured at once."""


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

    def way(self) -> AbstractContextManager[Door]:
        """Into the guest, open as long as the block."""
        return self.looked.guest_way(self.name)

    def result(self, host: HostResult, wish: Wish) -> HostResult:
        """Checks and measurements; whatever keeps one from being made is a check that says so."""
        from nfvcap.verify.packets.checks import failed, skipped

        try:
            before, vfs = tuple(self._noise()), self._vfs()
        except NfvcapError as error:
            return HostResult(host=host.host, environment=host.environment, checks=(failed(self.name, error),))
        if len(vfs) == 1 or sends_to_several(self.looked.source):
            return Spot(self.name, vfs, self.way).result(self.looked, host, wish, before)
        say(f"{self.name}: {ONE_AT_A_TIME}, so each of its {len(vfs)} VFs is measured by itself")
        apart = skipped(TOGETHER, self.name, f"{ONE_AT_A_TIME}: each of the {len(vfs)} VFs was measured by itself")
        made = HostResult(host=host.host, environment=host.environment, checks=(*before, apart))
        for vf in vfs:
            made = add(made, Spot(self.name, (vf,), self.way).result(self.looked, host, wish))
            if any(measurement.partial == INTERRUPTED for measurement in made.measurements):
                break
        return made

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
