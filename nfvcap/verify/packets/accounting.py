# SPDX-License-Identifier: Apache-2.0
"""The waterfall: every packet that was sent and is not in the file, and who says where it was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nfvcap.model.measurement import SizeCount, Term, Traffic, Waterfall
from nfvcap.verify.packets.interface import around, at_the_pf
from nfvcap.verify.packets.path import Captured, Recount, Sent

FCS_BYTES = 4

# Receive drivers that cannot say how many packets they missed: their statistics have no such field.
BLIND_DRIVERS = {
    "net_e1000_igb_vf": "igbvf has no counter for missed packets",
    "net_ixgbe_vf": "ixgbevf has no counter for missed packets",
    "net_virtio": "VirtIO has no counter for what the host side dropped",
    "net_virtio_user": "VirtIO has no counter for what the other side dropped",
    "net_tap": "the kernel's own drops are not passed on by this driver",
}


def waterfall(
    sent: Sent, captured: Captured, recount: Recount, observed: Mapping[str, int], *, ring_seen_by_source: bool
) -> Waterfall:
    """Put all counters in the order in which a packet meets them.

    The residual has to be 0 unless a row cannot be seen, to which it then belongs. It is negative when counters and
    file contradict each other: more is accounted for than was sent.
    """
    front = list(_at_the_source(sent, ring_seen_by_source))
    behind = list(_at_the_agent(captured, recount))
    missing = sent.numbered - recount.distinct - _seen([*front, *behind])
    if captured.at_interface is None:
        between = _before_the_driver(captured, recount, observed, missing, ring_seen_by_source)
    else:
        rows = around(sent, captured, recount, observed, missing)
        between = list(rows.terms)
        behind = list(_at_the_agent(captured, recount, rows.others_at_the_agent))
    terms = (*front, *between, *behind)
    residual = sent.numbered - _seen(terms) - recount.distinct
    return Waterfall(
        sent=sent.numbered, terms=terms, recounted=recount.distinct, residual=residual,
        residual_note=_residual_note(residual, terms, captured),
    )  # fmt: skip


def _seen(terms: Sequence[Term]) -> int:
    return sum(term.packets or 0 for term in terms)


def _at_the_source(sent: Sent, ring_seen_by_source: bool) -> Iterator[Term]:
    yield Term(key="omitted", title="left out at the source on request", packets=sent.omitted, source="source")
    full = "the receiver's ring had no room" if ring_seen_by_source else "the source's port had no room"
    yield Term(key="refused", title=f"not taken by the link: {full}", packets=sent.refused, source="source")
    yield Term(key="tx_errors", title="refused by the source's driver", packets=sent.errors, source="source's driver")


def _at_the_agent(captured: Captured, recount: Recount, others: int = 0) -> Iterator[Term]:
    """Rows of the agent; of those that its filter did not want so many may be frames of others."""
    driver, theirs = captured.driver, min(others, captured.filtered)
    yield Term(key="nic_errors", title="damaged at the NIC", packets=captured.nic_errors, source=driver)
    yield Term(key="nic_no_mbuf", title="no packet buffer", packets=captured.nic_no_mbuf, source=driver)
    yield Term(key="filtered", title="not wanted by the filter", packets=captured.filtered - theirs, source="agent",
               note=f"{captured.filtered} in all" if theirs else "")  # fmt: skip
    yield Term(key="lost_buffer", title="no buffer between capture and storage", packets=captured.lost_buffer,
               source="agent")  # fmt: skip
    yield Term(key="lost_full", title="file system full", packets=captured.lost_full, source="agent")
    yield Term(key="lost_write", title="write failed", packets=captured.lost_write, source="agent")
    yield Term(key="corrupt", title="in the file, but damaged", packets=recount.corrupt, source="recount")


def _before_the_driver(
    captured: Captured, recount: Recount, observed: Mapping[str, int], missing: int, ring_seen_by_source: bool
) -> list[Term]:
    """What the receive queue missed, and what the PF lost before that.

    Both count frames of others as well. Of the queue's as many may be theirs as the file has of them; what more it
    counts than is missing contradicts the file. The PF counts what was for anybody, so it takes the rest at most.
    """
    term = _missed(captured, ring_seen_by_source)
    counted = term.packets or 0
    if theirs := min(max(0, counted - max(0, missing)), recount.foreign):
        term = term.model_copy(update={"packets": counted - theirs, "note": f"{counted} in all"})
    return [*at_the_pf(observed, missing - (term.packets or 0)), term]


def _missed(captured: Captured, ring_seen_by_source: bool) -> Term:
    title = "missed at the receive queue"
    if ring_seen_by_source:
        note = "this link refuses to the source what has no room; nothing can be lost here unseen"
        return Term(key="nic_missed", title=title, packets=0, source="by construction", note=note)
    if captured.nic_missed is None or captured.driver in BLIND_DRIVERS:
        note = BLIND_DRIVERS.get(captured.driver, f"the driver {captured.driver} does not tell")
        return Term(key="nic_missed", title=title, packets=None, source=captured.driver, note=note)
    return Term(key="nic_missed", title=title, packets=captured.nic_missed, source=captured.driver)


def _residual_note(residual: int, terms: Sequence[Term], captured: Captured) -> str:
    blind = [term for term in terms if term.packets is None]
    if residual < 0:
        return "counters and file contradict each other: more is accounted for than was sent"
    if residual == 0:
        return ""
    if blind:
        return "lost where nobody can see it: " + "; ".join(f"{term.title} ({term.note})" for term in blind)
    if captured.at_interface is not None:
        return "lost behind the interface, which counted them, and no counter says where"
    return "lost, and no counter says where"


def explained(fall: Waterfall) -> bool:
    """Is every lost packet in a row, or in a row that is known to be blind?"""
    return fall.residual == 0 or (fall.residual > 0 and any(term.packets is None for term in fall.terms))


def sizes(traffic: Traffic, sent: Sent, recount: Recount) -> tuple[SizeCount, ...]:
    """How many frames of each size were sent (where whole rounds make that known) and are in the file."""
    rounds, rest = divmod(sent.numbered, len(traffic.sizes_bytes)) if traffic.sizes_bytes else (0, 1)
    known = rest == 0 or len(set(traffic.sizes_bytes)) == 1
    made = []
    for size in sorted({*traffic.sizes_bytes, *recount.sizes}):
        one = len(set(traffic.sizes_bytes)) == 1 and size in traffic.sizes_bytes
        count = sent.numbered if one else rounds * traffic.sizes_bytes.count(size)
        made.append(SizeCount(size_bytes=size, sent=count if known else None, recounted=recount.sizes.get(size, 0)))
    return tuple(made)
