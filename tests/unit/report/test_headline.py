# SPDX-License-Identifier: Apache-2.0
"""The first sentence names the weakest of several paths with its figure, and whatever else failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fakes import FRAMES_64, INSTANT, FakeSource, dead, limit, path

from nfvcap.errors import NfvcapError
from nfvcap.model.measurement import Measurement
from nfvcap.model.result import Check, HostResult, Result, Verdict
from nfvcap.report.headline import weakest
from nfvcap.report.tally import host_sentence, sentence
from nfvcap.verify.packets.checks import checks, failed
from nfvcap.verify.packets.run import Run, Wish

Loses = Callable[[int, int], int]


def one(name: str, loses: Loses, rate: str = "1000000") -> Measurement:
    where = replace(path(loses, source=FakeSource()), name=name)
    return Run(where, Wish(INSTANT, FRAMES_64, rate, 60.0), None, "f").measure()


def host(*measurements: Measurement, more: tuple[Check, ...] = ()) -> HostResult:
    own = tuple(check for m in measurements for check in checks(m, "f"))
    return HostResult(host="host1", environment={"cpu": "c"}, checks=(*own, *more), measurements=measurements)


def state(verdict: Verdict) -> Check:
    return Check(id="NFV-STATE-030", subject="node1", title="t", verdict=verdict, found="x", wanted="y", fix="")


def test_one_path_that_lost_nothing_says_so_and_no_more() -> None:
    assert host_sentence(host(one("vm3", limit(10**9)))) == (
        "host1: no packet of 3\u202f000\u202f000 was lost at 1.000 Mpps of 64-byte frames."
    )


def test_a_state_check_that_failed_is_named_behind_a_good_measurement() -> None:
    good = one("vm3", limit(10**9))
    words = host_sentence(host(good, more=(state(Verdict.FAIL),)))
    assert words.endswith("of 64-byte frames. 1 FAIL (NFV-STATE-030).")
    warned = host(good, more=(state(Verdict.WARN),))
    assert "NFV-STATE-030" not in host_sentence(warned) and "NFV-STATE-030" in host_sentence(warned, strict=True)


def test_the_path_that_lost_is_named_with_its_figure() -> None:
    found = host(one("vm1", limit(10**9)), one("vm3", lambda rate, sent: 7), one("vm2", lambda rate, sent: 5))
    assert weakest(found).name == "vm3"
    assert host_sentence(found).startswith(
        "host1: 3 paths were measured, the weakest is vm3: 21 of 3\u202f000\u202f000 packets"
    )
    assert host_sentence(found).endswith("captured. 2 FAIL (NFV-PKT-010).")


def test_a_path_that_is_broken_is_weaker_than_one_that_loses() -> None:
    assert weakest(host(one("a", lambda rate, sent: 7), one("b", dead))).name == "b"


def test_the_slowest_search_is_the_weakest() -> None:
    found = host(one("fast 64 B", limit(9_000_000), "search"), one("slow 64 B", limit(2_000_000), "search"))
    assert weakest(found).name == "slow 64 B" and "1.9" in host_sentence(found)


def test_names_that_begin_alike_are_told_apart() -> None:
    found = host(one("vm3", lambda rate, sent: 7), one("vm3 VirtIO", limit(10**9)))
    assert weakest(found).name == "vm3"


def test_a_guest_that_could_not_be_measured_is_named() -> None:
    error = failed("vm1", NfvcapError("NFV-PKT-209", "guest vm1 does not run", "", "start it"))
    assert host_sentence(host(one("vm3", limit(10**9)), more=(error,))).endswith(
        "of 64-byte frames. Not measured: vm1. 1 ERROR (NFV-PKT-002)."
    )
    words = sentence(Result(nfvcap_version="0", created_at="", hosts=(host(more=(error,)),)))
    assert words == "host1: nothing was measured. Not measured: vm1. 1 ERROR (NFV-PKT-002)."
