# SPDX-License-Identifier: Apache-2.0
"""Huge pages at run time on a tree that behaves like a kernel with little or fragmented memory (hand-made)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_hugepages import Pool, restore_pool, set_pools
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakehost import FakeHost

FOLDER = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB"
MIB = 2**20


class Kernel:
    """Gives at most ``room`` pages; the rest only after compaction, or after the page cache was dropped."""

    def __init__(self, host: FakeHost, room: int, after_compaction: int | None = None) -> None:
        self.host, self.room, self.after_compaction = host, room, after_compaction
        host.plant(f"{FOLDER}/nr_hugepages", "0\n")
        host.plant(f"{FOLDER}/free_hugepages", "0\n")
        host.plant("/proc/sys/vm/compact_memory")
        host.plant("/proc/sys/vm/drop_caches")
        self.memory(free_mib=4096)
        host.reactions[f"{FOLDER}/nr_hugepages"] = self.asked
        host.reactions["/proc/sys/vm/compact_memory"] = self.compacted

    def memory(self, free_mib: int, cache_mib: int = 0) -> None:
        text = f"Node 1 MemFree:  {free_mib * 1024} kB\nNode 1 FilePages:  {cache_mib * 1024} kB\n"
        self.host.plant("/sys/devices/system/node/node1/meminfo", text)

    def asked(self, text: str) -> None:
        count = min(int(text), self.room)
        self.host.plant(f"{FOLDER}/nr_hugepages", f"{count}\n")
        self.host.plant(f"{FOLDER}/free_hugepages", f"{count}\n")

    def compacted(self, text: str) -> None:
        self.room = self.after_compaction or self.room

    def count(self) -> int | None:
        return self.host.number(f"{FOLDER}/nr_hugepages")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def pool(count: int) -> Pool:
    return Pool(1, 2 * MIB, count)


def test_gives_the_pages_and_keeps_the_original_count(host: FakeHost) -> None:
    kernel = Kernel(host, room=1000)
    outcome = Outcome()
    set_pools(host, [pool(512)], outcome, check=False)
    assert kernel.count() == 512
    assert outcome.changes == [{"id": "hugepages:node1:2048kB", "before": 0, "after": 512}]
    ledger = json.loads(host.read("/var/lib/nfvcap/ledger.json") or "")
    assert ledger["entries"]["hugepages:node1:2048kB"]["before"] == 0


def test_second_run_writes_nothing(host: FakeHost) -> None:
    Kernel(host, room=1000)
    set_pools(host, [pool(512)], Outcome(), check=False)
    host.writes.clear()
    outcome = Outcome()
    set_pools(host, [pool(512)], outcome, check=False)
    assert not outcome.changes and not host.writes


def test_check_mode_foretells_the_run_and_touches_nothing(host: FakeHost) -> None:
    Kernel(host, room=1000)
    before, foretold, done = host.tree(), Outcome(), Outcome()
    set_pools(host, [pool(512)], foretold, check=True)
    assert host.tree() == before
    set_pools(host, [pool(512)], done, check=False)
    assert foretold.changes == done.changes


def test_fragmented_memory_is_compacted_and_asked_again(host: FakeHost) -> None:
    kernel = Kernel(host, room=100, after_compaction=600)
    set_pools(host, [pool(512)], Outcome(), check=False)
    assert kernel.count() == 512
    # The page cache is of use to others: as compaction alone sufficed, it stays.
    assert "/proc/sys/vm/drop_caches" not in [path for path, _ in host.writes]


def test_too_few_pages_say_how_many_are_missing_and_the_former_count_is_back(host: FakeHost) -> None:
    kernel = Kernel(host, room=300)
    host.plant(f"{FOLDER}/nr_hugepages", "64\n")
    with pytest.raises(Failure) as caught:
        set_pools(host, [pool(512)], Outcome(), check=False)
    assert caught.value.code == "NFV-MEM-003"
    assert "212 are missing" in caught.value.what
    assert kernel.count() == 64


def test_what_cannot_fit_is_refused_before_the_kernel_starts_swapping(host: FakeHost) -> None:
    kernel = Kernel(host, room=10_000)
    kernel.memory(free_mib=500, cache_mib=100)
    with pytest.raises(Failure) as caught:
        set_pools(host, [pool(512)], Outcome(), check=False)
    assert caught.value.code == "NFV-MEM-002"
    assert "424 MiB too little" in caught.value.why
    assert not host.writes and not host.exists("/var/lib/nfvcap")


def test_pages_in_use_are_not_taken_away(host: FakeHost) -> None:
    Kernel(host, room=1000)
    host.plant(f"{FOLDER}/nr_hugepages", "512\n")
    host.plant(f"{FOLDER}/free_hugepages", "12\n")
    with pytest.raises(Failure) as caught:
        set_pools(host, [pool(100)], Outcome(), check=False)
    assert caught.value.code == "NFV-MEM-004"
    assert "500 of them are in use" in caught.value.why


def test_memory_given_back_by_one_size_counts_for_the_other(host: FakeHost) -> None:
    kernel = Kernel(host, room=1000)
    big = "/sys/devices/system/node/node1/hugepages/hugepages-1048576kB"
    host.plant(f"{big}/nr_hugepages", "1\n")
    host.plant(f"{big}/free_hugepages", "1\n")
    kernel.memory(free_mib=100)
    set_pools(host, [pool(512), Pool(1, 1024 * MIB, 0)], Outcome(), check=False)
    assert [path for path, _ in host.writes] == [f"{big}/nr_hugepages"] + [f"{FOLDER}/nr_hugepages"] * 4


def test_pages_are_asked_for_in_portions_each_with_its_time_limit(host: FakeHost) -> None:
    Kernel(host, room=1000)
    set_pools(host, [pool(300)], Outcome(), check=False)
    assert [text.strip() for path, text in host.writes if "nr_hugepages" in path] == ["128", "256", "300"]


def test_a_kernel_that_stops_answering_gets_its_former_count_back(host: FakeHost) -> None:
    kernel = Kernel(host, room=1000)
    give = kernel.asked

    def stuck(text: str) -> None:
        if int(text) > 200:
            host.plant(f"{FOLDER}/nr_hugepages", "170\n")  # what it had until it was given up
            raise TimeoutError(110, "no answer within 180 s")
        give(text)

    host.reactions[f"{FOLDER}/nr_hugepages"] = stuck
    with pytest.raises(Failure) as caught:
        set_pools(host, [pool(300)], Outcome(), check=False)
    assert caught.value.code == "NFV-MEM-003" and "former count of 0 is back" in caught.value.why
    assert kernel.count() == 0


def test_unknown_node_names_what_there_is(host: FakeHost) -> None:
    Kernel(host, room=1)
    with pytest.raises(Failure) as caught:
        set_pools(host, [Pool(1, 1024 * MIB, 1)], Outcome(), check=True)
    assert caught.value.code == "NFV-MEM-001"
    assert "2048kB" in caught.value.why


def test_restore_gives_back_the_recorded_count(host: FakeHost) -> None:
    kernel = Kernel(host, room=1000)
    host.plant(f"{FOLDER}/nr_hugepages", "512\n")
    host.plant(f"{FOLDER}/free_hugepages", "512\n")
    restore_pool(host, "hugepages:node1:2048kB", 8)
    assert kernel.count() == 8


def test_a_kernel_that_refuses_the_write_is_reported(host: FakeHost) -> None:
    Kernel(host, room=1000)

    def refuse(text: str) -> None:
        raise OSError(12, "Cannot allocate memory")

    host.reactions[f"{FOLDER}/nr_hugepages"] = refuse
    with pytest.raises(Failure) as caught:
        set_pools(host, [pool(512)], Outcome(), check=False)
    assert caught.value.code == "NFV-MEM-003"
    assert "Cannot allocate memory" in caught.value.why
