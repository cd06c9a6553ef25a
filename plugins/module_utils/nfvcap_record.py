# SPDX-License-Identifier: Apache-2.0
"""Originals of what the boot units will set, noted while the system runs as its owner set it up.

At boot it would be too early: sysctl has not set the owner's huge pages by then, nor the network its interfaces.
"""

from __future__ import annotations

from .nfvcap_host import Host
from .nfvcap_hugepages import Pool, count_pages
from .nfvcap_ledger import Ledger
from .nfvcap_pfguard import refuse
from .nfvcap_sriov import PfWanted, read_pfs, record_pf


def record_originals(host: Host, pools: list[Pool], pfs: list[PfWanted], protected: list[str], check: bool) -> None:
    """Note pools and PFs that are not in the ledger yet; changes nothing else.

    Raises:
        Failure: NFV-MEM-001, NFV-SRIOV-001…-004: what cannot be done must not be prepared for the next boot either.
    """
    counts = [(pool.key, "hugepages", count_pages(host, pool)) for pool in pools]
    nics = read_pfs(host) if pfs else {}
    for pf in pfs:
        refuse(host, nics, pf.address, pf.num_vfs, protected)
    if check:
        return
    ledger = Ledger(host)
    if counts:
        ledger.record_all(counts)
    for pf in pfs:
        record_pf(ledger, nics[pf.address])
