# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcap.errors import NfvcapError
from nfvcap.lab import frames


@given(number=st.integers(0, 2**64 - 1), size=st.integers(60, 1514))
def test_a_frame_carries_its_number_and_has_its_size(number: int, size: int) -> None:
    frame = frames.build("02:00:00:00:00:01", number, size)
    assert frames.number_of(frame) == number
    assert len(frame) == size
    assert frame[:6] == bytes.fromhex("020000000001")


@given(st.binary(max_size=100))
def test_any_other_frame_has_no_number(data: bytes) -> None:
    assert frames.number_of(data) is None


@pytest.mark.parametrize("text", ["", "02:00:00:00:00", "02:00:00:00:00:0g", "2:0:0:0:0:1", "020000000001"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NfvcapError) as caught:
        frames.build(text, 0)
    assert caught.value.code == "NFV-LAB-012"


@pytest.mark.parametrize("size", [59, 1515])
def test_what_is_no_ethernet_frame_is_refused(size: int) -> None:
    with pytest.raises(NfvcapError):
        frames.build("02:00:00:00:00:01", 0, size)
