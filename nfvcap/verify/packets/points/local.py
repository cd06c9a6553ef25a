# SPDX-License-Identifier: Apache-2.0
"""A capture on this machine: the agent on a port, its file recounted by the agent's offline checker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nfvcap.agent.background import RunningCapture
from nfvcap.agent.client import Agent
from nfvcap.agent.options import CaptureOptions, CheckOptions
from nfvcap.agent.reports import CaptureReport, CheckReport
from nfvcap.scratch import scratch
from nfvcap.verify.packets.accounting import FCS_BYTES
from nfvcap.verify.packets.path import Captured, Recount, Sent
from nfvcap.verify.packets.points.timeline import last_received, timeline

INTERVAL_S = 0.1
_FLOWS_EXPECTED = 64
_RANGES = 8  # of missing numbers that a report names
_MEMORY_SHARE = 0.7  # of what is free may go into a file in memory


@dataclass
class LocalPoint:
    """Captures from a port of this machine into a file in ``directory``.

    Args:
        agent: the program.
        port: as the agent spells it.
        driver: of the port, as DPDK names it.
        directory: where the file goes, for the length of a trial.
        lcores: CPUs of the capture threads.
        options: further words for `nfvcap-agent capture`.
    """

    agent: Agent
    port: str
    driver: str
    directory: Path
    lcores: str | None = None
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"this machine, {self.port.split(',')[0]}, file in {self.directory}"

    @contextmanager
    def capturing(self) -> Iterator[LocalCapturing]:
        """See :class:`nfvcap.verify.packets.path.CapturePoint`."""
        with scratch("nfvcap-verify-", self.directory) as files, scratch("nfvcap-capture-") as place:
            path = files / "captured.pcap"
            options = CaptureOptions(
                ports=(self.port,), write=path, lcores=self.lcores, wait_link_s=0.0,
                extra=("--stats-interval", f"{INTERVAL_S * 1000:.0f}ms", *self.options),
            )  # fmt: skip
            with self.agent.start(options, place) as running:
                yield LocalCapturing(self, running, path, place / "messages")

    def room_bytes(self) -> int:
        """Free space; in memory not more than a share of what is free, or the machine would begin to swap."""
        free = shutil.disk_usage(self.directory).free
        if _file_system(self.directory) in {"tmpfs", "hugetlbfs"}:
            pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            return min(free, int(max(pages, _available_bytes()) * _MEMORY_SHARE))
        return free

    def diagnosis(self) -> str:
        """Nothing lies between source and capture that could be asked."""
        return ""


@dataclass
class LocalCapturing:
    """See :class:`nfvcap.verify.packets.path.Capturing`."""

    point: LocalPoint
    running: RunningCapture
    path: Path
    messages: Path

    def received(self) -> int:
        return last_received(self.messages.read_text(encoding="utf-8", errors="replace"))

    def check(self) -> None:
        self.running.check()

    def finish(self) -> Captured:
        report = self.running.stop()
        said = self.messages.read_text(encoding="utf-8", errors="replace")
        return captured_by(report, self.point.driver, said, INTERVAL_S)

    def recount(self, sent: Sent) -> Recount:
        return recounted(self.point.agent.check(expectation((self.path,), sent)), sent)


def captured_by(report: CaptureReport, driver: str, messages: str, interval_s: float) -> Captured:
    """The capture's report, and the lines that it printed while it ran, in the words of the engine."""
    total = report.total
    return Captured(
        driver=driver, received=total.received, stored=total.stored, filtered=total.filtered,
        lost_buffer=total.lost_buffer, lost_full=total.lost_full, lost_write=total.lost_write,
        nic_missed=report.nic_missed, nic_errors=sum(port.nic_errors for port in report.ports),
        nic_no_mbuf=sum(port.nic_no_mbuf for port in report.ports), clock_steps=report.clock.steps,
        failure=report.failure or "", timeline=timeline(messages, interval_s, total, report.nic_missed or 0),
    )  # fmt: skip


def expectation(files: Sequence[Path | str], sent: Sent) -> CheckOptions:
    """What the checker has to find: so many numbers in all, or in each flow of a replayed file."""
    if sent.per_flow and len(sent.per_flow) <= _FLOWS_EXPECTED:
        return CheckOptions(files=tuple(files), expect_flows=sent.per_flow, ranges=_RANGES)
    if sent.unnumbered or sent.per_flow:
        return CheckOptions(files=tuple(files), ranges=_RANGES)
    return CheckOptions(files=tuple(files), expect=sent.numbered, flows=sent.flows, ranges=_RANGES)


def recounted(report: CheckReport, sent: Sent) -> Recount:
    """The checker's report in the words of the engine. Of frames without number only how many there are is known."""
    numbers, totals = report.numbers, report.totals
    missing = [(flow.flow, first, last) for flow in numbers.flows for first, last in flow.missing_ranges]
    unnumbered = min(totals.foreign, sent.unnumbered)
    bad = [file for file in report.files if file.state != "whole"]
    return Recount(
        packets=totals.packets, distinct=numbers.distinct + unnumbered, duplicates=numbers.duplicates,
        reordered=numbers.reordered, corrupt=totals.corrupt, foreign=totals.foreign - unnumbered,
        invented=numbers.beyond_expected,
        sizes={entry.bytes + FCS_BYTES: entry.packets for entry in report.sizes},
        missing=tuple(missing[:_RANGES]), missing_ranges=numbers.missing_ranges_total,
        per_flow=tuple((flow.flow, flow.distinct) for flow in numbers.flows),
        damaged=f"{bad[0].state}: {bad[0].why or ''}".strip(": ") if bad else "",
    )  # fmt: skip


def _file_system(path: Path) -> str:
    best, kind = -1, ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, name, *_ = line.split()
        if Path(where) in (path.resolve(), *path.resolve().parents) and len(where) > best:
            best, kind = len(where), name
    return kind


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
