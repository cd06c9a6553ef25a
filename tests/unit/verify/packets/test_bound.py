# SPDX-License-Identifier: Apache-2.0
"""The 95 % bound on a loss, exact for every count, and how it is printed: never lower than it is."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfvcap.report.numbers import at_most
from nfvcap.verify.packets.bound import loss_upper_95

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_figures_of_tables() -> None:
    assert loss_upper_95(0, 1_488_095_200) == pytest.approx(-math.log(0.05) / 1_488_095_200, rel=1e-6)
    assert loss_upper_95(0, 100) == pytest.approx(0.02951, abs=1e-5)  # Clopper-Pearson tables
    assert loss_upper_95(1, 100) == pytest.approx(0.04656, abs=1e-5)
    assert loss_upper_95(10, 1000) == pytest.approx(0.016903, abs=1e-6)
    assert loss_upper_95(5, 5) == loss_upper_95(0, 0) == 1.0
    # All but one: the bound is the n-th root of 0.95. A few of very many: the quantile of a Poisson distribution.
    assert loss_upper_95(999, 1000) == pytest.approx(0.95**0.001, rel=1e-8)
    assert loss_upper_95(1, 10**12) * 10**12 == pytest.approx(4.743865, rel=1e-6)
    assert loss_upper_95(10, 10**11) * 10**11 == pytest.approx(16.96222, rel=1e-6)


def chance(lost: int, sent: int, p: Fraction) -> Fraction:
    """Of no more than so many lost, exactly."""
    return sum((math.comb(sent, i) * p**i * (1 - p) ** (sent - i) for i in range(lost + 1)), Fraction(0))


@relaxed
@given(st.integers(2, 60), st.data())
def test_it_is_the_least_bound(sent: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, sent - 1))
    found = Fraction(loss_upper_95(lost, sent))
    assert chance(lost, sent, found) <= Fraction(5, 100) + Fraction(1, 10**15)
    assert chance(lost, sent, found * (1 - Fraction(1, 10**6))) > Fraction(5, 100)


def log_chance(lost: int, sent: int, p: float) -> float:
    """ln of the same, in a way of its own: all terms, by the logarithm of the gamma function."""
    logs = [
        math.lgamma(sent + 1) - math.lgamma(i + 1) - math.lgamma(sent - i + 1)
        + i * math.log(p) + (sent - i) * math.log1p(-p)
        for i in range(lost + 1)
    ]  # fmt: skip
    top = max(logs)
    return top + math.log(math.fsum(math.exp(value - top) for value in logs))


@settings(relaxed, max_examples=40)
@given(st.integers(900, 6000), st.integers(1, 1000))
def test_many_losses_are_no_other_case(lost: int, times: int) -> None:
    """Where a normal approximation used to begin."""
    sent = lost * times + 1
    found = loss_upper_95(lost, sent)
    assert log_chance(lost, sent, found) == pytest.approx(math.log(0.05), abs=2e-5)


@relaxed
@given(st.integers(1, 10**10), st.data())
def test_the_bound_is_above_what_was_seen_and_falls_with_more_packets(sent: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, min(sent, 5000)))
    assert lost / sent <= loss_upper_95(lost, sent) <= 1.0
    assert loss_upper_95(lost, 2 * sent) <= loss_upper_95(lost, sent) <= loss_upper_95(lost + 1, sent)


def test_it_costs_little() -> None:
    began = time.process_time()
    loss_upper_95(880_952, 14_880_952)  # a second at line rate
    loss_upper_95(100_000_000, 10_000_000_000)
    assert time.process_time() - began < 5


@relaxed
@given(st.floats(1e-300, 1.0))
def test_a_bound_is_printed_with_two_digits_and_never_too_low(value: float) -> None:
    said = at_most(value)
    assert Decimal(said) >= Decimal(value)
    assert Decimal(said) <= Decimal(value) * Decimal("1.1")
    assert said == "1" or len(said.partition("e")[0]) == 3


def test_printed_bounds() -> None:
    assert [at_most(value) for value in (3.04e-7, 3e-7, 9.96e-5, 0.0295, 0.999, 1.0, 0.0)] == [
        "3.1e-7", "3.0e-7", "1.0e-4", "3.0e-2", "1", "1", "0",
    ]  # fmt: skip
