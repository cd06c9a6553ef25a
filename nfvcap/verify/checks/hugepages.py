# SPDX-License-Identifier: Apache-2.0
"""Huge pages: on the right node, in the right number, now and after a boot."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nfvcap.model.plan import HugePagePool
from nfvcap.model.units import format_size
from nfvcap.verify.boot import boot_entries
from nfvcap.verify.case import RESTORE, Case
from nfvcap.verify.cmdline import boot_pages
from nfvcap.verify.expect import Expect, check


def subject(pool: HugePagePool) -> str:
    return f"node{pool.node} {format_size(pool.size_bytes)}"


def pools(case: Case) -> Iterable[tuple[str, HugePagePool]]:
    return [(subject(pool), pool) for pool in case.desired.hugepages]


def directory(pool: HugePagePool) -> str:
    return f"/sys/devices/system/node/node{pool.node}/hugepages/hugepages-{pool.size_bytes >> 10}kB"


@check("NFV-STATE-030", pools)
def check_pool_in_force(case: Case, item: HugePagePool, expect: Expect) -> None:
    here = directory(item)
    total = case.snapshot.number(f"{here}/nr_hugepages")
    # Pages beyond the pool (overcommit) come and go; they are not the pool.
    surplus = case.snapshot.number(f"{here}/surplus_hugepages") or 0
    found = None if total is None else total - surplus
    expect(
        found == item.count,
        found="the kernel has no such pool" if found is None else f"{found} pages",
        wanted=f"{item.count} pages",
        fix=case.provision(f"echo {item.count} > {here}/nr_hugepages"),
    )


@check("NFV-STATE-031", lambda case: [(s, pool) for s, pool in pools(case) if pool.when == "runtime"])
def check_pool_is_put_back_at_boot(case: Case, item: HugePagePool, expect: Expect) -> None:
    if not case.restore:
        pytest.skip(f"{RESTORE} is missing (NFV-STATE-009)")
    counts = [
        int(entry.get("count", 0))
        for entry in case.restore.get("hugepages", ())
        if (entry.get("node"), entry.get("size_bytes")) == (item.node, item.size_bytes)
    ]
    expect(
        sum(counts) == item.count,  # a pool that shall be empty need not be in the record
        found=f"{sum(counts)} pages" if counts else "not in the record",
        wanted=f"{item.count} pages in {RESTORE}",
        fix=case.provision(),
    )


@check("NFV-STATE-032", lambda case: [(s, pool) for s, pool in pools(case) if pool.when == "boot"])
def check_boot_arguments_add_up(case: Case, item: HugePagePool, expect: Expect) -> None:
    wanted_words = {arg.token for arg in case.desired.kernel_args if arg.feature == "hugepages"}
    entry = boot_entries(case.snapshot)[0]
    if not wanted_words <= set(entry.words):
        pytest.skip("the arguments are not all there (NFV-STATE-011)")
    asked = [pages for pages in boot_pages(list(entry.words)) if pages.size_bytes == item.size_bytes]
    named = sum(pages.count for pages in asked if pages.node == item.node)
    spread = sum(pages.count for pages in asked if pages.node is None)
    others = [pool.count for pool in case.desired.hugepages if pool.size_bytes == item.size_bytes and pool != item]
    good = named == item.count if not spread else spread == item.count + sum(others)
    expect(
        good,
        found=f"{named} pages" if not spread else f"{spread} pages spread over the nodes",
        wanted=f"{item.count} pages on node {item.node}",
        fix=case.provision(),
    )
