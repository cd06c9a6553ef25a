# SPDX-License-Identifier: Apache-2.0
"""One place where frames from outside are captured: the way in, the agent there, the path, and what it measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from nfvcap.agent.deploy import PLACE
from nfvcap.cli import calibrations, narrator
from nfvcap.cli.output import say
from nfvcap.door.door import Door
from nfvcap.errors import NfvcapError
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult
from nfvcap.verify.packets.engines.guest import VIRTUAL_FUNCTION, path_name, title_of, word_of
from nfvcap.verify.packets.engines.vf import GuestVf
from nfvcap.verify.packets.run import Wish

if TYPE_CHECKING:
    from nfvcap.cli.verify_guest import Looked


@dataclass(frozen=True)
class Spot:
    """A guest or a host that captures.

    Args:
        name: of the guest or host.
        ports: what is captured from.
        way: opens a way in.
        kind: "guest" or "host".
        attachment: how the ports came there.
        title: of the path, without the engine; "" for the guest and its VFs.
        agent_at: where the agent goes.
        deaf: no driver has the ports while nobody captures.
    """

    name: str
    ports: tuple[GuestVf, ...]
    way: Callable[[], AbstractContextManager[Door]]
    kind: Literal["guest", "host"] = "guest"
    attachment: str = VIRTUAL_FUNCTION
    title: str = ""
    agent_at: str = PLACE
    deaf: bool = False

    def result(self, looked: Looked, host: HostResult, wish: Wish, before: tuple[Check, ...] = ()) -> HostResult:
        """Checks and measurement; whatever keeps it from being made is a check that says so."""
        from nfvcap.verify.packets.checks import checks
        from nfvcap.verify.packets.machine import fingerprint
        from nfvcap.verify.packets.untried import untried

        try:
            around, measurement = self._measure(looked, host.environment, wish)
        except NfvcapError as error:
            told = untried(self.path_name(looked) + wish.behind, wish, error)
            return HostResult(host=host.host, environment=host.environment, checks=(*before, *told))
        digest = fingerprint(around)
        return HostResult(host=host.host, environment=around, checks=(*before, *checks(measurement, digest)),
                          fingerprint=digest, measurements=(measurement,))  # fmt: skip

    def path_name(self, looked: Looked) -> str:
        """What the path is called, as far as that is known before it is opened."""
        title = self.title or title_of(self.name, [vf.address for vf in self.ports])
        return path_name(title, word_of(looked.options.engine, [vf.interface for vf in self.ports]))

    def _measure(
        self, looked: Looked, environment: Mapping[str, Any], wish: Wish
    ) -> tuple[dict[str, Any], Measurement]:
        from nfvcap.agent.build import locate
        from nfvcap.agent.deploy import deploy
        from nfvcap.verify.packets.engines.guest import Place, guest_path
        from nfvcap.verify.packets.engines.guestroom import around_guest, directory_for
        from nfvcap.verify.packets.machine import fingerprint
        from nfvcap.verify.packets.sources.around import around_source
        from nfvcap.verify.packets.sources.named import opened

        name, options, ports = self.name, looked.options, self.ports
        flows = max(len(ports), wish.traffic.flows)
        wish = replace(wish, traffic=wish.traffic.model_copy(update={"flows": flows}))
        with ExitStack() as stack:
            source = stack.enter_context(opened(looked.source, ports))
            say(f"{name}: a way in, and the agent there …")
            door = stack.enter_context(self.way())
            agent = deploy(door, locate(), self.agent_at)
            place = Place(door, agent, directory_for(door, options.directory), _options_there(looked))
            path = stack.enter_context(
                guest_path(name, ports, place, source, wish.profile, engine=options.engine, label=looked.source.label,
                           host=looked.host_door(), attachment=self.attachment,
                           title=self.title, deaf=self.deaf and looked.source.kind == "lab", kind=self.kind)
            )  # fmt: skip
            around = {
                **environment, **around_source(looked.source),
                **({f"capture options {name}": " ".join(place.options)} if place.options else {}),
                **around_guest(name, door, agent, place.directory, ports, kind=self.kind,
                               tcpdump=options.engine == "libpcap"),
            }  # fmt: skip
            made = calibrations.kept(looked.host, path, wish.traffic, options)
            measurement = narrator.measure(
                looked.host, path, wish, calibration=made, fingerprint=fingerprint(around), events=looked.events
            )
            if wish.only_calibrate:
                # Kept for the path itself, whatever a matrix calls the cell.
                calibrations.keep(looked.host, measurement.model_copy(update={"name": path.name}))
            return around, measurement


def _options_there(looked: Looked) -> tuple[str, ...]:
    """Options for what captures, unless told otherwise: a guest may be small, and an emulated one has no time for polls
    that bring nothing."""
    wanted = looked.options.capture_options
    if looked.options.engine == "libpcap":
        return wanted
    usual = {"--burst-buffer": "16M"} | ({"--idle-sleep": "1ms"} if looked.source.kind == "lab" else {})
    return (*wanted, *(word for key, value in usual.items() if key not in wanted for word in (key, value)))
