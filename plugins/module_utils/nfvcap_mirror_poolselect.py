# SPDX-License-Identifier: Apache-2.0
"""igb and ixgbe: receive addresses of the watched VFs select the monitor's pool as well, by one bit each in BAR0.

82576 and I350 have the bits in RAH, 82599, X540 and X550 in MPSAR. The entries belong to the PF driver, which writes
them anew when a VF resets; ours is only the bit of the monitor's pool in them.
"""

from __future__ import annotations

from collections.abc import Iterator

from .nfvcap_bar import Bar
from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_mirror_port import Port
from .nfvcap_mirror_registers import DRIVERS, POLL_S, isolation, register_refusal
from .nfvcap_mirror_rule import ALL, IN, UPLINK, VF, Backend, Offer, Refusal, Request, Rule, kinds_of

NAME = "poolselect"
_VALID = 1 << 31
_RAH_POOLS_SHIFT = 18
_RAH_ENTRIES = {"10c9": 24, "10e6": 24, "10e7": 24, "10e8": 24, "150a": 24, "150d": 24, "1518": 24, "1526": 24,
                "1521": 32, "1522": 32, "1523": 32, "1524": 32, "1546": 32}  # fmt: skip
_MPSAR_ENTRIES = 128


class Addresses:
    """The receive-address table of a card: which entries are valid and which pools each selects."""

    def __init__(self, bar: Bar, driver: str, model: str) -> None:
        self._bar, self._is_igb = bar, driver == "igb"
        self._count = _RAH_ENTRIES.get(model, 24) if self._is_igb else _MPSAR_ENTRIES

    def valid(self) -> Iterator[tuple[int, int]]:
        """Entries in use as (entry, bit mask of pools)."""
        for entry in range(self._count):
            if self._bar.read(self._high(entry)) & _VALID:
                yield entry, self.pools(entry)

    def pools(self, entry: int) -> int:
        """Bit mask of the pools that an entry selects."""
        if self._is_igb:
            return (self._bar.read(self._high(entry)) >> _RAH_POOLS_SHIFT) & 0xFF
        return self._bar.read(0xA600 + 8 * entry) | self._bar.read(0xA604 + 8 * entry) << 32

    def select(self, entry: int, pool: int, wanted: bool) -> bool:
        """Set or clear the bit of one pool and nothing else; tells whether it reads back so."""
        if self._is_igb:
            offset, bit = self._high(entry), 1 << (_RAH_POOLS_SHIFT + pool)
        else:
            offset, bit = 0xA600 + 8 * entry + (4 if pool >= 32 else 0), 1 << pool % 32
        value = self._bar.read(offset)
        return self._bar.write(offset, value | bit if wanted else value & ~bit)

    def _high(self, entry: int) -> int:
        if self._is_igb:
            return 0x5404 + 8 * entry if entry < 16 else 0x54E4 + 8 * (entry - 16)
        return 0x5404 + 8 * entry if entry < 16 else 0xA204 + 8 * entry


def probe(host: Host, request: Request, others: list[Rule]) -> Offer | Refusal:
    """What this backend would copy, or why it does not."""
    if request.direction not in ("", IN):
        return Refusal(NAME, "receive addresses say who gets a frame, not who sends it", "--direction in")
    if UPLINK in kinds_of(request):
        return Refusal(
            NAME, "receive addresses say who gets a frame, not whether it crosses the cable", "watch all, or the VFs"
        )
    refusal = register_refusal(NAME, host, request)
    if refusal:
        return refusal
    whole = ALL in kinds_of(request)
    wider = "; the card's own rules copy both directions of the cable: nfvcap mirror add … --backend rules"
    watched = "every VF of this PF and the PF itself" if whole else ", ".join(str(each) for each in request.sources)
    return Offer(
        NAME, IN,
        copies=(f"frames to the addresses of {watched}, from the wire and from other VFs of this PF",
                "broadcasts, which every VF gets anyway"),
        leaves_out=("frames that the watched guests send to the wire" + (wider if whole else ""),
                    "multicasts that the monitor's own driver has not subscribed to",
                    "frames of VLANs that the monitor's own driver has not registered",
                    f"frames between a watched VF's reset and the next look at the registers ({POLL_S:g} s)"),
        effects=("one bit in each receive-address entry of the watched VFs is set behind the driver's back",),
        isolation=isolation(Port(host, request.pf).driver),
    )  # fmt: skip


def add(host: Host, rule: Rule) -> None:
    """Set the bits.

    Raises:
        Failure: NFV-MIRROR-010 no access, -011 the card does not take them.
    """
    port = Port(host, rule.pf)
    with Bar(host, rule.pf) as bar:
        table = Addresses(bar, port.driver, port.model)
        for entry in _entries(table, port, rule):
            if not table.select(entry, rule.monitor.index, True):
                raise Failure(
                    "NFV-MIRROR-011", f"{rule.pf}: receive address {entry} does not select pool {rule.monitor.index}",
                    "the register reads back otherwise than it was written", "this card cannot do it: another backend",
                )  # fmt: skip


def lacking(host: Host, rule: Rule) -> list[str]:
    """Entries of watched VFs that do not select the monitor."""
    port = Port(host, rule.pf)
    if port.driver not in DRIVERS or rule.monitor.index not in port.vf_indices():
        return [f"{rule.monitor} does not exist"]
    with Bar(host, rule.pf) as bar:
        table = Addresses(bar, port.driver, port.model)
        entries = _entries(table, port, rule)
        lost = [entry for entry in entries if not table.pools(entry) >> rule.monitor.index & 1]
        # A VF whose driver is gone has no address: nothing can be lost, and nothing has to be repaired.
        return [f"receive address {entry} does not select pool {rule.monitor.index}" for entry in lost]


def remove(host: Host, rule: Rule) -> None:
    """Clear the bits again, those of the monitor's own entries excepted.

    Raises:
        Failure: NFV-MIRROR-009, -010.
    """
    port = Port(host, rule.pf)
    if port.driver not in DRIVERS:
        return  # The driver that knew these entries is gone, and they with it.
    with Bar(host, rule.pf) as bar:
        table = Addresses(bar, port.driver, port.model)
        for entry in _entries(table, port, rule):
            if not table.select(entry, rule.monitor.index, False):
                raise Failure(
                    "NFV-MIRROR-009", f"{rule.pf}: receive address {entry} still selects pool {rule.monitor.index}",
                    "the register reads back otherwise than it was written", "reload the PF's driver when it suits",
                )  # fmt: skip


def _entries(table: Addresses, port: Port, rule: Rule) -> list[int]:
    """Entries that select a watched pool. The PF's own pool comes after those of its VFs."""
    vfs = port.vf_indices()
    watched = {source.index for source in rule.sources if source.kind == VF}
    if any(source.kind in (ALL, UPLINK) for source in rule.sources):
        watched = {*vfs, len(vfs)}
    mask = sum(1 << pool for pool in watched - {rule.monitor.index})
    return [entry for entry, pools in table.valid() if pools & mask]


BACKEND = Backend(NAME, POLL_S, probe, add, lacking, remove)
