# SPDX-License-Identifier: Apache-2.0
"""The agent's own generator as a source, on this machine or brought to another; it replays files as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from nfvcap.agent.brought import Brought
from nfvcap.agent.client import Agent
from nfvcap.agent.options import GenerateOptions
from nfvcap.agent.reports import GenerateReport
from nfvcap.agent.sending import RunningGenerator
from nfvcap.model.measurement import Traffic
from nfvcap.run import pasteable
from nfvcap.scratch import scratch
from nfvcap.verify.packets.path import Order, Sent
from nfvcap.verify.packets.traffic import MIX_SEED

CALIBRATION_S = 0.5
_POLL_S = 0.02
_STOP_S = 30.0
Sink = Callable[[], AbstractContextManager[Callable[[], object]]]
"""Something that takes frames while its block lasts, or until what it hands out is called."""


class AgentSource:
    """Sends through a port.

    Args:
        agent: the program on this machine.
        port: its port, as the agent spells it.
        name: for people.
        cpu: of the sending thread; None: any.
        sink: makes something that takes what is sent while the source is measured alone; None: the port needs nothing.
        omit_every: leave out each so manieth frame, to test whoever counts.
        to: address and VLAN (0: none) of whom numbered frames are for; with several of them flow k is for the k-th one.
            A tag comes on top of the size, as the port of a VF with a VLAN takes it off again.
        there: the agent on the machine whose port it is; None: this machine.
        drops: a frame that the port has no room for is given up, as the port is the capture's own ring. Elsewhere it
            waits: it was never on the link, and the schedule slips, which is seen.
    """

    limits_known = True

    def __init__(
        self, agent: Agent, port: str, name: str, *, cpu: int | None = None,
        sink: Sink | None = None, omit_every: int = 0, to: Sequence[tuple[str, int]] = (),
        there: Brought | None = None, drops: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.last_command = ""
        self._agent, self._port, self._cpu = agent, port, cpu
        self._sink = sink or _nobody
        self._to, self._there, self._drops = tuple(to), there, drops
        self._omit = ("--omit-every", str(omit_every)) if omit_every else ()

    @contextmanager
    def sending(self, order: Order) -> Iterator[_Emission]:
        """Send in the background; see :class:`nfvcap.verify.packets.path.Source`."""
        with scratch("nfvcap-send-") as place:
            drop = ("--when-full", "drop") if self._drops and order.rate_pps is not None else ()
            options = self._options(order, (*drop, *self._omit))
            with self._generator(options, place) as running:
                self.last_command = pasteable(running.argv)
                yield _Emission(running, order)

    def ceiling_pps(self, traffic: Traffic) -> int:
        """Frames a second at no rate in particular, while somebody else takes and counts them."""
        order = Order(traffic, 1 << 62, None)
        with self._sink() as stop, scratch("nfvcap-send-") as place:
            options = self._options(order, (), duration_s=CALIBRATION_S)
            with self._generator(options, place) as running:
                report = running.wait(60)
                stop()  # before the generator leaves, as in every trial
        return (report.sent - 1) * 1_000_000_000 // report.duration_ns if report.duration_ns else 0

    def _generator(self, options: GenerateOptions, place: Path) -> RunningGenerator:
        if self._there:
            return self._there.generator(options, place)
        return RunningGenerator(self._agent.program, options, place)

    def _options(self, order: Order, extra: tuple[str, ...], duration_s: float | None = None) -> GenerateOptions:
        traffic = order.traffic
        sizes = ",".join(map(str, traffic.sizes_bytes))
        to = self._to if sizes else ()  # frames of a file have addresses of their own
        tagged = any(vlan for _, vlan in to)
        file = self._there.file(traffic.file) if self._there and traffic.file else traffic.file
        return GenerateOptions(
            port=self._port, size=sizes or None, replay=file or None, renumber=bool(traffic.file),
            rate="max" if order.rate_pps is None else f"{order.rate_pps}pps",
            count=None if duration_s else order.packets, duration_s=duration_s,
            flows=traffic.flows if sizes else None, cpu=self._cpu, extra=extra,
            dst_mac=tuple(mac for mac, _ in to), untagged_size=tagged,
            vlan=tuple(str(vlan or "none") for _, vlan in to) if tagged else (),
            seed=MIX_SEED if len(traffic.sizes_bytes) > 1 else None,
        )  # fmt: skip


@contextmanager
def _nobody() -> Iterator[Callable[[], object]]:
    yield lambda: None


class _Emission:
    def __init__(self, running: RunningGenerator, order: Order) -> None:
        self._running, self._order = running, order

    def done(self) -> bool:
        return self._running.done

    def wait(self, timeout_s: float) -> Sent:
        deadline = time.monotonic() + timeout_s
        while not self._running.done and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not self._running.done:
            self._running.end()  # what it has sent until now is told all the same, and says that it was late
        return sent_by(self._running.wait(_STOP_S), self._order.traffic)


def sent_by(report: GenerateReport, traffic: Traffic) -> Sent:
    """The generator's report in the words of the engine."""
    driver = report.driver_counts
    return Sent(
        numbered=report.numbered or report.sent, omitted=report.omitted, refused=report.refused,
        unsent=report.unsent, errors=driver.errors if driver.known else 0, duration_ns=report.duration_ns,
        slipped_ns=report.slipped_ns, flows=traffic.flows,
        per_flow=tuple((flow.flow, flow.sent) for flow in report.flows) if traffic.file else (),
        unnumbered=report.replay.foreign if report.replay else 0, interrupted=report.end == "signal",
    )  # fmt: skip
