# SPDX-License-Identifier: Apache-2.0
"""What a trial is worth: PASS means not one packet, and INCONCLUSIVE that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nfvcap.model.measurement import SOURCE_TOLERANCE
from nfvcap.model.verdict import Verdict
from nfvcap.verify.packets.path import Captured, Order, Recount, Sent

NOT_WHOLE = "the file is not whole"
UNRECOGNISED = "frames without a number are counted, not recognised: frames of others may stand in for lost ones"


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    reason: str = ""


def offered_pps(sent: Sent) -> int:
    """Mean rate between the first frame and the last one; 0 where there is no time between them."""
    return (sent.numbered - 1) * 1_000_000_000 // sent.duration_ns if sent.duration_ns > 0 and sent.numbered > 1 else 0


def under_ran(order: Order, sent: Sent, tolerance: float = SOURCE_TOLERANCE) -> str:
    """Why the source did not do what it was asked for; empty when it did."""
    if sent.numbered < order.packets * (1 - tolerance):
        return f"the source sent {sent.numbered} of {order.packets} frames"
    offered = offered_pps(sent)
    if order.rate_pps is not None and offered and offered < order.rate_pps * (1 - tolerance):
        return f"the source offered {offered} packets/s instead of {order.rate_pps}"
    return ""


def judge(
    order: Order, sent: Sent, captured: Captured, recount: Recount, residual: int, *, paced: bool = True,
    private: bool = True,
) -> Judgement:  # fmt: skip
    """The verdict on one trial.

    A source that lies, and a capture that was ended too early, make everything else worthless, so they come first. A
    loss at less than the intended rate is a loss all the same, so an under-run only matters when nothing was lost, and
    so do counters that contradict the file. Where the rate is of no interest (``paced`` is false), only the number of
    frames has to be right.

    Args:
        private: frames of nobody else can be on the link.
    """
    order = order if paced else replace(order, rate_pps=None)
    found = next(_reasons(order, sent, captured, recount, residual), Judgement(Verdict.PASS))
    if found.verdict is Verdict.PASS and sent.unnumbered and not private:
        return Judgement(Verdict.WARN, UNRECOGNISED)
    return found


def _reasons(order: Order, sent: Sent, captured: Captured, recount: Recount, residual: int) -> Iterator[Judgement]:
    """What speaks against a PASS, from grave to harmless."""
    unknown, fail = Verdict.INCONCLUSIVE, Verdict.FAIL
    if recount.invented:
        yield Judgement(unknown, f"{recount.invented} frames in the file were never sent, if the source is right")
    if captured.ended_early:
        yield Judgement(unknown, captured.ended_early)
    if recount.damaged:
        yield Judgement(fail, f"{NOT_WHOLE}: {recount.damaged}")
    lost = sent.numbered - recount.distinct
    if lost == sent.numbered > 0:
        yield Judgement(fail, "nothing arrived")
    found = [(lost, "lost"), (recount.duplicates, "duplicate"), (recount.corrupt, "damaged")]
    if bad := [f"{count} {word}" for count, word in found if count]:
        yield Judgement(fail, ", ".join(bad))
    if residual < 0:
        yield Judgement(unknown, f"counters and file contradict each other by {-residual} packets")
    if why := under_ran(order, sent):
        yield Judgement(unknown, why)
    if captured.clock_steps:
        yield Judgement(unknown, f"the clock was set {captured.clock_steps} times while it ran")
    if recount.reordered:
        yield Judgement(Verdict.WARN, f"{recount.reordered} reordered")
