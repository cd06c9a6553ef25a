# SPDX-License-Identifier: Apache-2.0
"""One trial after the other, each with the phases of RFC 2544: ready, send, drain, close, recount, settle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nfvcap.errors import NfvcapError
from nfvcap.model.measurement import Phase, Traffic, Trial
from nfvcap.model.verdict import Verdict
from nfvcap.verify.packets import accounting
from nfvcap.verify.packets.bound import loss_upper_95
from nfvcap.verify.packets.path import Capturing, Emission, Order, Path, Recount, Sent
from nfvcap.verify.packets.profiles import Profile
from nfvcap.verify.packets.traffic import whole_rounds
from nfvcap.verify.packets.verdict import judge, offered_pps, under_ran

PROOF_PACKETS = 100
RECORD_BYTES = 16
_SLACK_S = 30.0
_DRAIN_LIMIT_S = 30.0
_POLL_S = 0.02
_ASK_S = 5.0


class BudgetSpent(Exception):
    """There is no time left for another trial."""


@dataclass
class Trials:
    """Runs trials on one path and keeps all of them, those of an interrupted search included."""

    path: Path
    traffic: Traffic
    profile: Profile
    deadline: float  # time.monotonic()
    on_trial: Callable[[Trial], None] = lambda trial: None
    on_begin: Callable[[Phase, int, int], None] = lambda phase, rate_pps, packets: None
    done: list[Trial] = field(default_factory=list)
    _silent: str = ""  # which of several VFs brought nothing, in the last trial

    def run(self, phase: Phase, rate_pps: int, duration_s: float = 0.0, packets: int = 0) -> Trial:
        """One trial of so many frames, or of so many seconds, at this rate.

        Raises:
            BudgetSpent: it would end behind the deadline.
            NfvcapError: source or capture failed; NFV-PKT-204 the file would not fit.
        """
        count = packets or whole_rounds(self.traffic, max(1, round(rate_pps * duration_s)))
        expected_s = count / rate_pps if rate_pps else duration_s
        if time.monotonic() + expected_s + self.profile.drain_s > self.deadline:
            raise BudgetSpent
        self._room(count)
        self.on_begin(phase, rate_pps, count)
        trial = self._once(phase, Order(self.traffic, count, rate_pps), expected_s)
        for _ in range(self.profile.retries):
            # Spoilt by its source: what it says about the path is worth nothing, so it is made once more.
            if not _spoilt(trial) or time.monotonic() + expected_s > self.deadline:
                break
            self.done[-1] = trial.model_copy(update={"superseded": True})
            trial = self._once(phase, Order(self.traffic, count, rate_pps), expected_s)
        return trial

    def prove(self) -> Trial:
        """A hundred frames to each VF have to arrive before any load is worth sending."""
        packets = whole_rounds(self.traffic, PROOF_PACKETS * self.path.vfs)
        trial = self.run("path proof", self.path.proof_pps, packets=packets)
        if trial.lost:
            reason = ". ".join(filter(None, [trial.reason, self._silent, self.path.point.diagnosis()]))
            trial = self.done[-1] = trial.model_copy(update={"reason": reason})
        return trial

    def _once(self, phase: Phase, order: Order, expected_s: float) -> Trial:
        before = self._observe()
        with self.path.point.capturing() as capturing:
            # The inner block is left first: whatever happens, the source stops before the capture.
            with self.path.source.sending(order) as emission:
                sent = _sent(emission, capturing, expected_s * 2 + _SLACK_S)
                _drain(capturing, max(self.profile.drain_s, self.path.drain_s))
                captured = capturing.finish()
            observed = {key: value - before.get(key, 0) for key, value in self._observe().items()}
            recount = capturing.recount(sent)
        fall = accounting.waterfall(
            sent, captured, recount, observed, ring_seen_by_source=self.path.ring_seen_by_source
        )
        private = self.path.label == "virtual"
        judgement = judge(order, sent, captured, recount, fall.residual, paced=phase != "path proof", private=private)
        lost = sent.numbered - recount.distinct
        # Frames of a file go to whom they are addressed.
        self._silent = "" if order.traffic.file else _silent(recount, self.path.vfs)
        trial = Trial(
            number=len(self.done) + 1, phase=phase, traffic=order.traffic.name, intended_pps=order.rate_pps or 0,
            intended_packets=order.packets, offered_pps=offered_pps(sent), duration_ns=sent.duration_ns,
            sent=sent.numbered, recounted=recount.distinct, lost=lost, duplicates=recount.duplicates,
            reordered=recount.reordered, corrupt=recount.corrupt, foreign=recount.foreign, invented=recount.invented,
            loss_upper_95=loss_upper_95(lost, sent.numbered), waterfall=fall,
            missing=recount.missing, missing_ranges=recount.missing_ranges,
            sizes=accounting.sizes(order.traffic, sent, recount), timeline=captured.timeline,
            source_limited=phase != "path proof" and bool(under_ran(order, sent)), verdict=judgement.verdict,
            reason=judgement.reason or captured.failure,
        )  # fmt: skip
        self.done.append(trial)
        self.on_trial(trial)
        time.sleep(self.profile.settle_s)
        return trial

    def _observe(self) -> Mapping[str, int]:
        return {key: value for observer in self.path.observers for key, value in observer.read().items()}

    def _room(self, packets: int) -> None:
        need = int(packets * (self.traffic.mean_bytes + RECORD_BYTES))
        room = self.path.point.room_bytes()
        if need > room:
            raise NfvcapError(
                "NFV-PKT-204",
                f"the file of one trial does not fit: {need >> 20} MiB are needed, {room >> 20} MiB are there",
                f"{packets} frames of {self.traffic.mean_bytes:.0f} bytes at {self.path.point.name}",
                "--directory on a larger file system, a lower --rate, or a profile with shorter trials",
            )


def _spoilt(trial: Trial) -> bool:
    """By its source: too slow, and nothing was lost of what it sent, nor came what it has not sent."""
    unsure = trial.verdict is Verdict.INCONCLUSIVE and trial.source_limited
    return unsure and not trial.lost and not trial.invented


def _silent(recount: Recount, vfs: int) -> str:
    """Of frames to several VFs each is a flow of its own: those of which nothing is in the file."""
    there = {flow for flow, distinct in recount.per_flow if distinct}
    lacking = [str(vf + 1) for vf in range(vfs) if vf not in there]
    return f"nothing came through VF {', '.join(lacking)} of {vfs}" if vfs > 1 and lacking else ""


def _sent(emission: Emission, capturing: Capturing, limit_s: float) -> Sent:
    """What was sent. A capture that is gone or cannot be reached ends that: nothing is sent into the void."""
    begun = asked = time.monotonic()
    while not emission.done() and time.monotonic() < begun + limit_s:
        time.sleep(_POLL_S)
        if time.monotonic() >= asked + _ASK_S:
            capturing.check()
            asked = time.monotonic()
    return emission.wait(max(0.0, begun + limit_s - time.monotonic()))


def _drain(capturing: Capturing, quiet_s: float) -> None:
    """Wait until nothing has come for so long."""
    limit = time.monotonic() + _DRAIN_LIMIT_S + quiet_s
    before, since = capturing.received(), time.monotonic()
    while time.monotonic() < limit:
        time.sleep(_POLL_S)
        now = capturing.received()
        if now != before:
            before, since = now, time.monotonic()
        elif time.monotonic() - since >= quiet_s:
            return
