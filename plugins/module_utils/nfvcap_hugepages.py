# SPDX-License-Identifier: Apache-2.0
"""Huge pages per node while the system runs: ask the kernel, count what came, give back what is not enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_ledger import Ledger
from .nfvcap_outcome import Outcome

# Asked for in portions, so that a time limit can tell slow (the kernel may zero every page) from stuck.
PORTION_BYTES = 256 << 20
WRITE_TIMEOUT_S = 180.0
NODES = "/sys/devices/system/node"


@dataclass(frozen=True)
class Pool:
    """``count`` persistent huge pages of one size on one node."""

    node: int
    size_bytes: int
    count: int

    @property
    def folder(self) -> str:
        return f"{NODES}/node{self.node}/hugepages/hugepages-{self.size_bytes // 1024}kB"

    @property
    def file(self) -> str:
        return f"{self.folder}/nr_hugepages"

    @property
    def key(self) -> str:
        """Id of a change of this pool, the same in plan and ledger."""
        return f"hugepages:node{self.node}:{self.size_bytes // 1024}kB"

    @property
    def words(self) -> str:
        return f"huge pages of {self.size_bytes // 1024} kB on node {self.node}"


def set_pools(host: Host, pools: list[Pool], outcome: Outcome, check: bool) -> None:
    """Give every pool its count; what was there before is in the ledger first.

    Raises:
        Failure: NFV-MEM-001 no such node or size, NFV-MEM-002 not enough memory, NFV-MEM-003 fewer pages than asked
            for (the former count is back then), NFV-MEM-004 pages to be given back are in use.
    """
    different = [(pool, before) for pool in pools for before in [count_pages(host, pool)] if before != pool.count]
    returned = {pool.node: 0 for pool, _ in different}
    for pool, before in different:
        returned[pool.node] += max(before - pool.count, 0) * pool.size_bytes
    for pool, before in different:
        _refuse(host, pool, before, returned[pool.node])
        outcome.add(pool.key, before, pool.count)
    if check or not different:
        return
    ledger = Ledger(host)
    # Room for the pools that grow comes from those that shrink.
    for pool, before in sorted(different, key=lambda pair: pair[0].count > pair[1]):
        ledger.record(pool.key, "hugepages", before)
        outcome.begun = True
        _set(host, pool, before)


def restore_pool(host: Host, entry_id: str, before: int) -> None:
    """Back to the recorded count; a node or size that has gone has nothing to restore.

    Raises:
        Failure: NFV-MEM-003, NFV-MEM-004.
    """
    match = re.fullmatch(r"hugepages:node(\d+):(\d+)kB", entry_id)
    if match is None:
        raise Failure("NFV-LEDGER-002", f"the ledger has an entry {entry_id!r} that nobody understands")
    pool = Pool(int(match[1]), int(match[2]) * 1024, before)
    now = host.number(pool.file)
    if now is None or now == before:
        return
    _refuse(host, pool, now, 0)
    _set(host, pool, now)


def count_pages(host: Host, pool: Pool) -> int:
    """Persistent pages that the pool has now.

    Raises:
        Failure: NFV-MEM-001.
    """
    count = host.number(pool.file)
    if count is None:
        sizes = [name[len("hugepages-") :] for name in host.listdir(f"{NODES}/node{pool.node}/hugepages")]
        raise Failure(
            "NFV-MEM-001",
            f"there are no {pool.words}",
            f"node {pool.node} offers {', '.join(sizes)}" if sizes else f"there is no node {pool.node}",
            "choose another node or page size in the inventory",
        )
    return count


def _refuse(host: Host, pool: Pool, now: int, returned_bytes: int) -> None:
    """What is known to fail is not begun: the kernel would swap out half the machine before it gave up."""
    if pool.count > now:
        needed, available = (pool.count - now) * pool.size_bytes, _available_bytes(host, pool.node)
        if available is not None and needed > available + returned_bytes:
            raise Failure(
                "NFV-MEM-002",
                f"no room for {pool.count} {pool.words}",
                f"{pool.count - now} more need {_mib(needed)}, node {pool.node} has {_mib(available)} that is free "
                f"or page cache: {_mib(needed - available)} too little",
                "ask for fewer pages, or stop what uses the node's memory (`numastat -m`)",
            )
        return
    free = host.number(f"{pool.folder}/free_hugepages") or 0
    if now - free > pool.count:
        raise Failure(
            "NFV-MEM-004",
            f"cannot reduce the {pool.words} from {now} to {pool.count}",
            f"{now - free} of them are in use",
            "shut down the guests and programs that use them (`grep HugePages /sys/devices/system/node/node*/meminfo`)",
        )


def _set(host: Host, pool: Pool, before: int) -> None:
    try:
        got = _ask(host, pool, pool.count)
    except Failure as failure:
        failure.why += _words_back(before, _ask(host, pool, before))
        raise
    if got < pool.count:
        # Free memory may be there, only in pieces: put it together, and ask again.
        _nudge(host, "/proc/sys/vm/compact_memory")
        got = _ask(host, pool, pool.count)
    if got < pool.count:
        # Clean page cache is the cheapest thing to lose; nobody's data is in it alone.
        _nudge(host, "/proc/sys/vm/drop_caches")
        _nudge(host, "/proc/sys/vm/compact_memory")
        got = _ask(host, pool, pool.count)
    if got == pool.count:
        return
    raise Failure(
        "NFV-MEM-003",
        f"only {got} of {pool.count} {pool.words} could be had: {pool.count - got} are missing",
        f"the memory of the node is in use or in pieces{_words_back(before, _ask(host, pool, before))}",
        "ask for fewer pages, or reboot: pages are reserved early at boot, when memory is in one piece",
    )


def _words_back(before: int, found: int) -> str:
    return f"; the former count of {before} is " + ("back" if found == before else f"not back, {found} are there")


def _ask(host: Host, pool: Pool, count: int) -> int:
    """Ask for a count, portion by portion, and read what the kernel made of it."""
    now, portion = count_pages(host, pool), max(PORTION_BYTES // pool.size_bytes, 1)
    while now != count:
        target = min(now + portion, count) if count > now else count
        try:
            host.write_bounded(pool.file, f"{target}\n", WRITE_TIMEOUT_S)
        except OSError as error:
            raise Failure(
                "NFV-MEM-003",
                f"the kernel does not set the {pool.words} to {target}",
                str(error),
                "look at the kernel log (`dmesg`), ask for fewer pages",
            ) from error
        now = count_pages(host, pool)
        if now != target:
            break
    return now


def _nudge(host: Host, path: str) -> None:
    try:
        host.write_bounded(path, "1\n", WRITE_TIMEOUT_S)
    except OSError as error:
        # A kernel without compaction: the count that is read back next decides, not this.
        host.problem(f"cannot write {path}: {error}")


def _available_bytes(host: Host, node: int) -> int | None:
    """Free memory of a node and what the kernel can take from its page cache; None when it does not say."""
    values = {
        match[1]: int(match[2]) * 1024
        for match in re.finditer(r"^Node \d+ (\S+): +(\d+) kB$", host.read(f"{NODES}/node{node}/meminfo") or "", re.M)
    }
    if "MemFree" not in values:
        return None
    cache = values.get("FilePages", 0) - values.get("Shmem", 0) + values.get("SReclaimable", 0)
    return values["MemFree"] + max(cache, 0)


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // 2**20)} MiB"
