# SPDX-License-Identifier: Apache-2.0
"""The waterfall, percentages: pure arithmetic that must not flatter."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfvcap.errors import UsageError
from nfvcap.report.numbers import integer, mpps, percent, ratio
from nfvcap.verify.packets.accounting import explained, sizes, waterfall
from nfvcap.verify.packets.path import Captured, Recount, Sent
from nfvcap.verify.packets.points.timeline import last_come, last_received, timeline
from nfvcap.verify.packets.traffic import genome_of, line_rate_pps, traffic, whole_rounds

counts = st.integers(0, 10**9)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(counts, min_size=12, max_size=12), counts)
def test_every_packet_is_in_exactly_one_row(losses: list[int], there: int) -> None:
    omitted, refused, errors, pf, missed, nic, mbuf, filtered, buffer, full, write, corrupt = losses
    sent = Sent(numbered=sum(losses) + there, omitted=omitted, refused=refused, errors=errors)
    captured = Captured("net_ice", 0, 0, filtered, buffer, full, write, missed, nic, mbuf)
    fall = waterfall(
        sent, captured, Recount(there, there, corrupt=corrupt), {"pf_missed": pf}, ring_seen_by_source=False
    )
    assert fall.residual == 0 and explained(fall) and [term.packets for term in fall.terms] == losses
    assert fall.sent - sum(term.packets or 0 for term in fall.terms) == fall.recounted == there


@pytest.mark.parametrize("driver", ["net_e1000_igb_vf", "net_ixgbe_vf", "net_virtio"])
def test_drivers_that_cannot_count_are_known_even_when_they_say_zero(driver: str) -> None:
    fall = waterfall(Sent(10), Captured(driver, 8, 8, nic_missed=0), Recount(8, 8), {}, ring_seen_by_source=False)
    missed = next(term for term in fall.terms if term.key == "nic_missed")
    assert missed.packets is None and "counter" in missed.note
    assert fall.residual == 2 and explained(fall) and missed.note in fall.residual_note


def test_a_residual_without_a_blind_row_is_not_explained() -> None:
    fall = waterfall(Sent(10), Captured("net_ice", 8, 8), Recount(8, 8), {}, ring_seen_by_source=False)
    assert fall.residual == 2 and not explained(fall)
    fall = waterfall(Sent(10), Captured("net_ice", 8, 8, nic_missed=3), Recount(8, 8), {}, ring_seen_by_source=False)
    assert fall.residual == -1 and not explained(fall)


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_a_hundred_percent_is_only_said_of_everything(part: int, whole: int) -> None:
    part = min(part, whole)
    said = percent(part, whole)
    assert (said == "100.00000 %") == (part == whole)
    assert float(said.removesuffix(" %")) <= part * 100 / whole + 1e-9


def test_numbers_for_people() -> None:
    assert percent(999_510, 1_000_000, 1) == "99.9 %" and percent(9_999_999, 10_000_000) == "99.99999 %"
    assert mpps(14_880_952) == "14.880 Mpps" and mpps(80_399) == "80.3 kpps" and mpps(900) == "900 pps"
    assert integer(14880952) == "14\u202f880\u202f952" and ratio(1e-7) == "1e-7" and ratio(0) == "0"


@pytest.mark.parametrize(("words", "mean"), [("64", 64), ("965", 965), ("imix", 361.83), ("genome:aaafg", 598)])
def test_traffic_says_its_mean(words: str, mean: float) -> None:
    assert traffic(words).mean_bytes == pytest.approx(mean, abs=0.01)


def test_genomes_spell_every_size() -> None:
    assert traffic("genome:abg").sizes_bytes == (64, 128, 1518) and traffic("imix").genome == "aaaaaaazzzzg; z = 594"
    assert genome_of([576, 1292, 64]) == "z1z2a; z1 = 576; z2 = 1292"


def test_line_rates_of_the_standards() -> None:
    assert line_rate_pps(traffic("64"), 10_000) == 14_880_952
    assert line_rate_pps(traffic("1518"), 10_000) == 812_743
    assert line_rate_pps(traffic("64"), 1000) == 1_488_095


def test_sizes_are_compared_where_they_are_known() -> None:
    mix = traffic("genome:aab")
    assert whole_rounds(mix, 100) == 99
    found = sizes(mix, Sent(99), Recount(99, 99, sizes={64: 66, 128: 33}))
    assert [(size.size_bytes, size.sent, size.recounted) for size in found] == [(64, 66, 66), (128, 33, 33)]
    cut = sizes(mix, Sent(99), Recount(99, 99, sizes={60: 99}))
    assert [(size.size_bytes, size.sent) for size in cut] == [(60, 0), (64, 66), (128, 33)]
    assert all(size.sent is None for size in sizes(mix, Sent(100), Recount(100, 100, sizes={64: 100})))


@pytest.mark.parametrize("words", ["63", "16001", "genome:xyz", "imixx", "/nowhere.pcap", "-64"])
def test_other_traffic_is_refused(words: str) -> None:
    with pytest.raises(UsageError) as refused:
        traffic(words)
    assert refused.value.code == "NFV-PKT-201"


@pytest.mark.parametrize(("foreign", "residual"), [(0, -3), (2, -1), (9, 0)])
def test_counters_of_card_and_queue_hold_frames_of_others(foreign: int, residual: int) -> None:
    """The PF counts for all guests, so it takes what is missing at most; the queue what strangers explain."""
    captured = Captured("net_ice", 90, 90, nic_missed=13)
    fall = waterfall(Sent(100), captured, Recount(90 + foreign, 90, foreign=foreign), {"pf_missed": 50},
                     ring_seen_by_source=False)  # fmt: skip
    rows = {term.key: term for term in fall.terms}
    assert fall.residual == residual and rows["pf_missed"].packets == 0 and rows["pf_missed"].note == "50 in all"
    whole = waterfall(Sent(100), Captured("net_ice", 100, 100), Recount(100, 100), {"pf_missed": 50},
                      ring_seen_by_source=False)  # fmt: skip
    assert whole.residual == 0


def test_a_timeline_ends_with_what_was_counted_and_survives_a_link_that_went_away() -> None:
    line = "received {} stored {} counted 0 buffered 0 filtered 0 lost: buffer 0 full 0 write 0 nic {}"
    said = "\n".join([line.format(100, 100, 0), line.format(200, 150, 50) + " without link 12 ms", ""])
    final = SimpleNamespace(received=250, stored=200, counted=0, lost=0)
    told = timeline(said, 0.25, final, 50)  # type: ignore[arg-type]
    assert [(sample.stored, sample.lost) for sample in told] == [(100, 0), (50, 50), (50, 0)]
    assert last_received(said) == 200 and last_come(said) == 250
