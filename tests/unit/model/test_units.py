# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcap.model.cpulist import format_cpulist, parse_cpulist
from nfvcap.model.units import GIB, KIB, MIB, TIB, format_size, kernel_size, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1G", GIB), ("16GiB", 16 * GIB), ("512M", 512 * MIB), ("2MB", 2 * MIB), ("1.5 G", 3 * GIB // 2),
        ("4k", 4 * KIB), ("1T", TIB), ("4096", 4096), (4096, 4096), ("10b", 10), ("0", 0),
    ],
)  # fmt: skip
def test_sizes(text: str | int, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "G", "-1G", "1.5", "1GG", "1 000", "1X", "0.1k", -5, "١G"])
def test_what_is_no_size(text: str | int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate_mbps"),
    [
        (1000, 1000),
        ("1000", 1000),
        ("1Gbit", 1000),
        ("2.5G", 2500),
        ("500M", 500),
        ("500 mbps", 500),
        ("1Gbit/s", 1000),
        (0, 0),
    ],
)
def test_rates(text: str | int, rate_mbps: int) -> None:
    assert parse_rate(text) == rate_mbps


@pytest.mark.parametrize("text", ["", "fast", "1K", "-1", -1, "1.5", "0.0001G"])
def test_what_is_no_rate(text: str | int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (2 * MIB, "2 MiB"),
        (GIB, "1 GiB"),
        (3 * GIB // 2, "1.5 GiB"),
        (100, "100 B"),
        (1536, "1.5 KiB"),
        (2 * TIB, "2 TiB"),
    ],
)
def test_sizes_for_people(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


def test_sizes_for_the_kernel() -> None:
    assert [kernel_size(size) for size in (2 * MIB, GIB)] == ["2M", "1G"]


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", (0,)), ("0-3,8", (0, 1, 2, 3, 8)), ("8, 1-2", (1, 2, 8)), ("5-5", (5,))]
)
def test_cpu_lists(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpulist(text) == cpus


@pytest.mark.parametrize("text", ["", "3-1", "a", "1,,2", "0-3,2", "-1", "1-", "0-99999999"])
def test_what_is_no_cpu_list(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_cpulist(text)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists_there_and_back(cpus: set[int]) -> None:
    assert parse_cpulist(format_cpulist(cpus)) == tuple(sorted(cpus))


def test_an_empty_list_is_an_empty_text() -> None:
    assert format_cpulist([]) == ""
