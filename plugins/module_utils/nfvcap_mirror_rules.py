# SPDX-License-Identifier: Apache-2.0
"""igb and ixgbe: the card's own four mirror rules (VMRCTL/VMRVM on 82576 and I350, MRCTL/VMRVM on 82599 and its heirs).

The kernel's drivers know nothing of them, so they are written through BAR0. The mask is written before the control
word, else the card would mirror the old mask for a moment; taking a rule away goes the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass

from .nfvcap_bar import Bar
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_registers import POLL_S, isolation, register_refusal
from .nfvcap_mirror_rule import (
    ALL,
    BOTH,
    IN,
    OUT,
    UPLINK,
    VF,
    Backend,
    Offer,
    Refusal,
    Request,
    Rule,
    kinds_of,
    vf_sources,
)

NAME = "rules"
RULES = 4
_POOL, _UPLINK, _DOWNLINK = 1, 2, 4
_ENABLES = 0xF
_TARGET_SHIFT = 8


@dataclass(frozen=True)
class Layout:
    """Where a family of cards has its rules; a rule's masks may lie in two words."""

    control: int
    vlans: int
    pools: int
    words: int

    def control_at(self, index: int) -> int:
        return self.control + 4 * index

    def mask_at(self, base: int, index: int) -> list[int]:
        """Registers of a rule's mask, low word first."""
        return [base + 4 * (index + RULES * word) for word in range(self.words)]


LAYOUTS = {"igb": Layout(0x5D80, 0x5D90, 0x5DA0, 1), "ixgbe": Layout(0xF600, 0xF610, 0xF630, 2)}


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    refusal = register_refusal(NAME, host, request)
    if refusal:
        return refusal
    driver = Port(host, request.pf).driver
    kinds = kinds_of(request)
    if kinds == {VF} and request.direction in (OUT, BOTH):
        return Refusal(
            NAME, "the card has no rule for what one VF sends, only for what the whole port sends",
            "--direction in, or watch the uplink with --direction out",
        )  # fmt: skip
    with Bar(host, request.pf) as bar:
        index = _free(bar, LAYOUTS[driver], [rule for rule in others if rule.pf == request.pf])
    if index is None:
        return Refusal(NAME, f"all {RULES} mirror rules of the card are taken", "remove a rule: `nfvcap mirror list`")
    return _offer(request, driver, index)


def _free(bar: Bar, layout: Layout, others: list[Rule]) -> int | None:
    """A rule that is off in the card and not ours either (the card forgets at a reset, the ledger does not)."""
    ours = {int(rule.detail["index"]) for rule in others if rule.backend == NAME}
    for index in range(RULES):
        if index not in ours and not bar.read(layout.control_at(index)) & _ENABLES:
            return index
    return None


def _offer(request: Request, driver: str, index: int) -> Offer:
    watched = ", ".join(str(source) for source in request.sources)
    if kinds_of(request) == {VF}:
        direction, enables = IN, _POOL
        copies = [f"every frame that the card delivers to {watched}"]
    else:
        direction = request.direction or BOTH
        enables = {IN: _UPLINK, OUT: _DOWNLINK, BOTH: _UPLINK | _DOWNLINK}[direction]
        copies = ["every frame that the port receives from its cable"] if direction != OUT else []
        copies += ["every frame that the port sends into its cable"] if direction != IN else []
    leaves_out = ["frames that the card drops before they reach a VF (unknown address, spoofed source)"]
    if kinds_of(request) & {ALL, UPLINK}:
        leaves_out.append("frames between VFs of this PF, which never reach the cable")
    return Offer(
        NAME, direction, copies=tuple(copies), leaves_out=tuple(leaves_out),
        effects=(f"rule {index} of the card's {RULES} is written behind the driver's back",
                 "whether this model has such rules at all only writing tells: if it keeps nothing, that is said "
                 "(NFV-MIRROR-011) and nothing is left"),
        isolation=isolation(driver),
        detail={
            "index": index,
            "control": request.monitor.index << _TARGET_SHIFT | enables,
            "pools": sum(1 << pool for pool in set(vf_sources(request))),
        },
    )  # fmt: skip


def add(host: Host, rule: Rule) -> None:
    """Write masks, then the control word.

    Raises:
        Failure: NFV-MIRROR-010, NFV-MIRROR-011 the card does not keep what was written, NFV-MIRROR-012 somebody else's.
    """
    layout, index = _layout(host, rule), int(rule.detail["index"])
    with Bar(host, rule.pf) as bar:
        now = bar.read(layout.control_at(index))
        if now & _ENABLES and now != rule.detail["control"]:
            raise Failure(
                "NFV-MIRROR-012", f"mirror rule {index} of {rule.pf} belongs to somebody else by now",
                f"its control word is {now:#x}", "remove our rule and add it again: it takes another one",
            )  # fmt: skip
        values = [*_masks(layout, index, int(rule.detail["pools"])), (layout.control_at(index), rule.detail["control"])]
        kept = [bar.write(offset, int(value)) for offset, value in values]
        if not all(kept):
            bar.write(layout.control_at(index), 0)
            raise Failure(
                "NFV-MIRROR-011", f"{rule.pf} does not keep mirror rule {index}",
                "its registers read back otherwise than they were written: this model has no mirror rules",
                "use another backend",
            )  # fmt: skip


def lacking(host: Host, rule: Rule) -> list[str]:
    """Registers that are not as the rule says."""
    layout, index = _layout(host, rule), int(rule.detail["index"])
    wanted = [
        *_masks(layout, index, int(rule.detail["pools"])),
        (layout.control_at(index), int(rule.detail["control"])),
    ]
    with Bar(host, rule.pf) as bar:
        return [f"register {offset:#x} is {bar.read(offset):#x}, not {value:#x}" for offset, value in wanted
                if bar.read(offset) != value]  # fmt: skip


def remove(host: Host, rule: Rule) -> None:
    """Control word off, then the masks; a rule that is not ours any more is left alone.

    Raises:
        Failure: NFV-MIRROR-009, -010.
    """
    layout, index = _layout(host, rule), int(rule.detail["index"])
    with Bar(host, rule.pf) as bar:
        if bar.read(layout.control_at(index)) != rule.detail["control"]:
            return
        gone = bar.write(layout.control_at(index), 0)
        for offset, _ in _masks(layout, index, 0):
            gone = bar.write(offset, 0) and gone
    if not gone:
        raise Failure(
            "NFV-MIRROR-009", f"mirror rule {index} of {rule.pf} does not go",
            "its registers read back otherwise than they were written", "reload the PF's driver when it suits",
        )  # fmt: skip


def _masks(layout: Layout, index: int, pools: int) -> list[tuple[int, int]]:
    words = [pools >> 32 * word & 0xFFFFFFFF for word in range(layout.words)]
    masks = [(at, words[word]) for word, at in enumerate(layout.mask_at(layout.pools, index))]
    return [*masks, *((at, 0) for at in layout.mask_at(layout.vlans, index))]


def _layout(host: Host, rule: Rule) -> Layout:
    driver = Port(host, rule.pf).driver
    if driver not in LAYOUTS:
        raise Failure(
            "NFV-MIRROR-010", f"the registers of {rule.pf} are not touched",
            f"its driver is {driver or 'none'}, not igb or ixgbe as when the rule was made", "load the driver again",
        )  # fmt: skip
    return LAYOUTS[driver]


BACKEND = Backend(NAME, POLL_S, probe, add, lacking, remove)
