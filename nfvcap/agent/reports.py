# SPDX-License-Identifier: Apache-2.0
"""What the agent says with --json, typed. Integers only; sizes in bytes, times in ns."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nfvcap.errors import NfvcapError


class Part(BaseModel):
    """Immutable. Keys of a newer agent are let through: its schema id says when a meaning changed."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Report(Part):
    """A whole document."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the agent printed.

        Raises:
            NfvcapError: NFV-AGENT-004 it is not the document that was expected.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise NfvcapError(
                "NFV-AGENT-004",
                "the report of the capture agent cannot be read",
                f"{where + ': ' if where else ''}{first['msg']}; it begins: {text[:120]!r}",
                "deploy the agent of this nfvcap again",
            ) from error


class QueueCounters(Part):
    """received = counted + filtered + lost_buffer + lost_full + buffered + stored + lost_write, in every sample."""

    received: int
    stored: int
    counted: int
    buffered: int
    filtered: int
    lost_buffer: int
    lost_full: int
    lost_write: int
    truncated: int
    received_bytes: int
    stored_bytes: int
    files: int
    files_removed: int
    polls: int
    empty_polls: int
    full_polls: int
    max_gap_ns: int
    unstamped: int = 0  # packets without a time of their own, where the port should give them one
    view_dropped: int

    @property
    def lost(self) -> int:
        """What was received and is in no file, though it should be."""
        return self.lost_buffer + self.lost_full + self.lost_write

    @property
    def residual(self) -> int:
        """Packets that are in no counter or in two; anything but 0 is a fault of the agent."""
        return self.received - self.stored - self.counted - self.buffered - self.filtered - self.lost


class QueueReport(QueueCounters):
    queue: int


class NicClockReport(Part):
    """The NIC's clock, as it stands to the capture's own time."""

    hz: float
    error_ns: int
    max_error_ns: int
    reading_uncertainty_ns: int
    steps: int
    failed_readings: int


class PortReport(Part):
    port: str
    driver: str
    numa_node: int
    link_up: bool
    link_mbps: int | None
    link_changes: int
    promiscuous: Literal["yes", "no", "unknown"]
    allmulticast: Literal["yes", "no", "unknown"]
    symmetric_rss: Literal["yes", "no", "unknown"]
    timestamps: Literal["tsc", "nic", "file", "kernel"] | None = None  # None: an older agent
    nic_clock: NicClockReport | None = None
    rx_descriptors: int
    burst_buffer_bytes: int | None = None  # per queue; None: nothing is stored, or an older agent
    nic_missed: int | None  # None: the driver cannot tell (igbvf, ixgbevf, virtio, virtual devices)
    nic_errors: int
    nic_no_mbuf: int
    queues: tuple[QueueReport, ...]


class AfterWarmUp(Part):
    wall_ns: int
    received: int
    stored: int
    capture_cpu_ns: int
    storage_cpu_ns: int


class ClockReport(Part):
    follows: Literal["REALTIME", "TAI"]
    tsc_hz: float
    error_ns: int
    max_error_ns: int
    reading_uncertainty_ns: int
    steps: int


class CaptureReport(Report):
    """``nfvcap-agent capture --json``."""

    schema_: Literal["nfvcap/agent-capture/1"] = Field(alias="schema")
    version: str
    engine: str
    instruction_set: str
    filter: str | None
    filter_jit: bool
    stop_reason: str
    failure: str | None
    start_ns: int
    end_ns: int
    capture_cpu_ns: int
    storage_cpu_ns: int
    total: QueueCounters
    after_warm_up: AfterWarmUp | None = None
    clock: ClockReport
    port_restarts: int
    link_gap_ns: int
    ports: tuple[PortReport, ...]

    @property
    def nic_missed(self) -> int | None:
        """Packets the NICs lost before they were received; None when one of them cannot tell."""
        known = [port.nic_missed for port in self.ports if port.nic_missed is not None]
        return sum(known) if len(known) == len(self.ports) else None


class DriverCounts(Part):
    known: bool
    packets: int
    bytes: int
    errors: int


class ReplayReport(Part):
    path: str
    rounds: int
    renumbered: bool
    foreign: int
    too_long: int
    cut: int
    padded: int


class SentFlow(Part):
    flow: int
    first: int
    sent: int


class GenerateReport(Report):
    """``nfvcap-agent generate --json``: what was really handed to the port."""

    schema_: Literal["nfvcap/agent-generate/1"] = Field(alias="schema")
    end: str
    port: str
    driver: str
    link_mbps: int
    sent: int
    sent_bytes: int
    unsent: int
    refused: int  # given up because the port was full (when_full="drop")
    omitted: int  # left out on request (omit_every)
    numbered: int  # sent + refused + omitted
    first_ns: int
    last_ns: int
    duration_ns: int
    rate: str
    bursts: int
    burst_max: int
    slips: int
    slipped_ns: int
    lag_max_ns: int
    hand_over_max_ns: int  # longest from the time that a burst's frames carry until the driver had them
    ring_full: int
    no_mbuf: int
    driver_counts: DriverCounts
    replay: ReplayReport | None = None
    flows: tuple[SentFlow, ...]


class PacketCounts(Part):
    packets: int
    captured_bytes: int
    wire_bytes: int
    cut_by_snaplen: int
    good: int
    corrupt: int
    foreign: int
    too_short: int
    untimed: int
    first_ns: int | None
    last_ns: int | None
    duration_ns: int | None
    time_backward: int
    time_backward_max_ns: int
    delay_min_ns: int | None
    delay_max_ns: int | None


class Totals(PacketCounts):
    packets_per_s: int
    bits_per_s: int


class CheckedFile(PacketCounts):
    path: str
    state: Literal["whole", "cut", "unwritten", "damaged", "unknown", "unreadable"]
    why: str | None
    format: Literal["pcap", "pcapng"] | None
    byte_order: Literal["little", "big"] | None = None
    ticks_per_s: int | None = None
    link_type: int | None = None
    interfaces: int | None = None
    sections: int | None = None
    other_blocks: int | None = None
    file_bytes: int
    whole_bytes: int
    repaired: bool
    removed_bytes: int
    odd_times: int
    writer_received: int | None
    writer_dropped: int | None
    corrupt_first_offset: int | None
    time_backward_first_offset: int | None


class NumberCounts(Part):
    packets: int
    distinct: int
    duplicates: int
    missing: int
    beyond_expected: int
    reordered: int
    reorder_extent_max: int
    reorder_extent_at_least: bool
    missing_ranges_total: int
    expected: int | None


class CheckedFlow(NumberCounts):
    flow: int
    missing_ranges: tuple[tuple[int, int], ...]  # the first --ranges of them
    first: int | None
    last: int | None


class Numbers(NumberCounts):
    flows: tuple[CheckedFlow, ...]


class SizeCount(Part):
    bytes: int
    packets: int


class CheckReport(Report):
    """``nfvcap-agent check --json``: the verdict on closed files."""

    schema_: Literal["nfvcap/agent-check/1"] = Field(alias="schema")
    ok: bool
    problems: tuple[str, ...]
    notices: tuple[str, ...]
    totals: Totals
    numbers: Numbers
    sizes: tuple[SizeCount, ...]
    larger_packets: int
    files: tuple[CheckedFile, ...]


class MergeInput(Part):
    path: str
    packets: int
    whole: bool
    whole_bytes: int
    time_backward: int
    untimed: int
    options_dropped: int
    other_blocks: int


class MergeReport(Report):
    """``nfvcap-agent merge --json``."""

    schema_: Literal["nfvcap/agent-merge/1"] = Field(alias="schema")
    path: str
    format: Literal["pcap-ns", "pcapng"]
    packets: int
    bytes: int
    time_backward: int
    inputs: tuple[MergeInput, ...]
