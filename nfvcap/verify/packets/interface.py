# SPDX-License-Identifier: Apache-2.0
"""Rows of the waterfall around an interface of the kernel: lost in front of it, behind it, at the agent's socket. Pure.

What is lost in front of the interface is a difference of two figures that know nothing of the recount: frames that the
source gave to the link, less frames that the interface received. What is lost behind it is what the kernel and the
socket counted. So the three can contradict the file, and then a residual remains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nfvcap.model.measurement import Term
from nfvcap.verify.packets.path import Captured, Recount, Sent

OBSERVED_TITLES = {
    "pf_crc": "damaged on the wire (PF)",
    "pf_missed": "no descriptor at the PF",
    "pf_dropped": "dropped by the PF's switch",
    "vf_dropped": "dropped at the VF's queue",
}


@dataclass(frozen=True)
class Around:
    """The rows, and how many frames of others the agent's own counters hold, as far as the interface shows them."""

    terms: tuple[Term, ...]
    others_at_the_agent: int


def at_the_pf(observed: Mapping[str, int], missing: int) -> list[Term]:
    """Rows of what the PF lost. It counts what was for anybody, so its rows hold what is missing at most."""
    terms = []
    for key, packets in observed.items():
        seen = min(max(0, missing), packets)
        missing -= seen
        note = f"{packets} in all" if packets else ""
        terms.append(Term(key=key, title=OBSERVED_TITLES.get(key, key), packets=seen, source="host", note=note))
    return terms


def around(sent: Sent, captured: Captured, recount: Recount, observed: Mapping[str, int], missing: int) -> Around:
    """Divide what is missing between source and agent.

    Counters hold frames of others as well. Those explain why more is counted than is missing, so far as there were any,
    and never why less is counted: a frame of ours that nobody counted stays in the residual.

    Args:
        captured: with what the interface received, frames of others included.
        missing: frames of ours that neither the file nor any row of source and agent has; negative when the agent's
            rows hold more than was sent.
    """
    at_interface = captured.at_interface or 0
    others = recount.foreign + recount.duplicates  # they are in the file and were not sent, or once only
    before = sent.on_the_link - (at_interface - others)
    surplus, before = max(0, -before), max(0, before)  # a surplus is of others, and not in the file
    missed = captured.nic_missed or 0
    over = max(0, before + missed - missing)
    # Frames that the machine itself sent, and those that came around the reading of the counter, are in the file alone.
    uncounted = min(over, recount.foreign, before)
    before -= uncounted
    # As many as that were others' in front of the interface, and are in a counter behind it instead of in the file.
    theirs = min(over - uncounted, surplus + recount.foreign - uncounted)
    missed_theirs = min(theirs, missed)
    missed -= missed_theirs
    in_kernel = min(captured.dropped_in_kernel, max(0, missing - before - missed))
    said = f"{sent.on_the_link} were on the link, the interface received {at_interface}"
    if others:
        said += f", {others - uncounted} of them others'"
    terms = at_the_pf(observed, before)
    left = before - sum(term.packets or 0 for term in terms)
    blind = captured.nic_missed is None
    terms += [
        Term(key="before_interface", title="did not reach the interface", packets=left,
             source="sent − received by the interface", note=said),
        Term(key="in_kernel", title="dropped between interface and socket", packets=in_kernel,
             source="rx_dropped of the interface", note=f"{captured.dropped_in_kernel} in all"),
        Term(key="nic_missed", title="no room in the socket's ring", packets=None if blind else missed,
             source=captured.driver,
             note=f"the driver {captured.driver} does not tell" if blind
             else f"the socket dropped {captured.nic_missed} frames in all"),
    ]  # fmt: skip
    return Around(tuple(terms), theirs - missed_theirs)
