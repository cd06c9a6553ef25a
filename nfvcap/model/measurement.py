# SPDX-License-Identifier: Apache-2.0
"""What `nfvcap verify` measured with numbered packets: trials, where packets were lost, the rates that were found.

Counts are integers of packets, rates packets per second, sizes bytes with the frame check sequence.
"""

from __future__ import annotations

from typing import Literal

from nfvcap.model.base import Model
from nfvcap.model.verdict import Verdict

SOURCE_TOLERANCE = 0.01
"""A source that offers less than 99 % of what was asked for has under-run; within that it kept to its rate."""

Phase = Literal["path proof", "warm-up", "search", "line rate", "fixed rate", "soak", "burst"]


class Term(Model):
    """One row of the waterfall: so many packets were lost here, says that counter."""

    key: str
    title: str
    packets: int | None  # None: nobody can see a loss here
    source: str  # where the number comes from
    note: str = ""  # why it cannot be seen; what it means


class Waterfall(Model):
    """sent - each loss = recounted + residual; the residual is what no counter explains."""

    sent: int
    terms: tuple[Term, ...]
    recounted: int
    residual: int
    residual_note: str = ""


class Sample(Model):
    """What the capture counted in one interval."""

    end_s: float  # since the capture was ready
    received: int
    stored: int
    lost: int


class SizeCount(Model):
    size_bytes: int
    sent: int | None  # None: not known frame by frame
    recounted: int


class Trial(Model):
    """One run: so many frames at that rate, recounted from the closed file."""

    number: int
    phase: Phase
    traffic: str
    intended_pps: int
    intended_packets: int
    offered_pps: int  # what the source really did
    duration_ns: int
    sent: int
    recounted: int
    lost: int
    duplicates: int
    reordered: int
    corrupt: int
    foreign: int
    invented: int  # numbers that were never sent
    loss_upper_95: float  # 95 % upper bound on the loss ratio that the number of packets supports
    waterfall: Waterfall
    missing: tuple[tuple[int, int, int], ...] = ()  # the first ranges that are not there: (flow, first, last number)
    missing_ranges: int = 0  # how many there are
    sizes: tuple[SizeCount, ...] = ()
    timeline: tuple[Sample, ...] = ()
    source_limited: bool = False  # the source could not keep to its schedule
    superseded: bool = False  # spoilt by its source and made once more
    verdict: Verdict
    reason: str = ""


class GoalSpec(Model):
    """One tolerated loss ratio of a search, in the words of RFC 9971. Times in seconds."""

    loss_ratio: float
    exceed_ratio: float  # of all trials at a rate so much may lose more than that
    relative_width: float  # how close the bounds are brought together, as a share of the upper one
    initial_trial_s: float
    final_trial_s: float
    duration_sum_s: float  # so long are a rate's trials together before they decide


class Method(Model):
    """With what parameters it was measured: a name of a profile alone says little in a year. Times in seconds."""

    goals: tuple[GoalSpec, ...]  # searched for; empty: no search
    tried_below: tuple[float, ...] = ()  # shares of the lowest bound that are tried behind the search
    max_pps: int | None = None  # the highest rate that the search tries
    trial_s: float  # of a trial at a fixed rate
    trials: int  # at a fixed rate
    warm_up_s: float
    drain_s: float  # quiet for so long before the file is closed
    settle_s: float  # between two trials
    retries: int  # of a trial that was spoilt by its source


class Goal(Model):
    """What a search found for one tolerated loss ratio."""

    loss_ratio: float
    lower_pps: int | None  # highest rate that met the goal; None: not even the lowest rate did
    upper_pps: int | None  # lowest rate that did not; None: none that was tried, so "at least the source's maximum"
    verdict: Verdict
    reason: str = ""


class Calibration(Model):
    """What the source can do alone."""

    source: str
    traffic: str
    ceiling_pps: int
    line_pps: int
    link_mbps: int
    created_at: str
    fingerprint: str


class Traffic(Model):
    """What the frames are like; RFC 6985 names the sizes."""

    name: str
    genome: str
    sizes_bytes: tuple[int, ...]  # one round, in the order of the genome; empty: those of a file
    mean_bytes: float
    file: str = ""
    flows: int = 1


class Measurement(Model):
    """All that was measured on one path."""

    name: str  # stable: "vdev", "vm3 VF 0000:81:10.2"
    attachment: str  # how the packets come to the agent: "virtual device", "virtual function", ...
    engine: str
    captured_in: Literal["guest", "host"] | None = None  # None: on this machine, or an earlier version's result
    pf_driver: str = ""
    vfs: int = 1
    source: str
    point: str
    label: Literal["performance", "functional", "virtual"]
    label_note: str
    profile: str
    method: Method | None = None  # None: a result of an earlier version, which did not keep it
    rate: str
    at_least_pps: int | None = None
    traffic: Traffic
    calibration: Calibration | None
    trials: tuple[Trial, ...]
    goals: tuple[Goal, ...]
    deviations: tuple[str, ...]  # from the standards that the profile names
    budget_s: float
    took_s: float
    partial: str = ""  # why it ended early; empty: complete
    commands: tuple[str, ...] = ()
