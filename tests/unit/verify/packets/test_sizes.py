# SPDX-License-Identifier: Apache-2.0
"""Which sizes in a file are blamed on the way, and which on strangers."""

from __future__ import annotations

import pytest

from nfvcap.model.measurement import SizeCount, Trial
from nfvcap.verify.packets.checks import _changed


def trial(foreign: int, *sizes: tuple[int, int, int]) -> Trial:
    counted = tuple(SizeCount(size_bytes=size, sent=sent, recounted=found) for size, sent, found in sizes)
    return Trial.model_construct(number=1, foreign=foreign, sizes=counted)


@pytest.mark.parametrize(
    ("foreign", "sizes", "blamed"),
    [
        (0, [(64, 100, 100)], []),
        (2, [(64, 100, 100), (74, 0, 2)], []),  # two neighbour solicitations
        (1, [(64, 100, 101)], []),
        (1, [(64, 100, 100), (74, 0, 2)], [74]),
        (0, [(60, 0, 100), (64, 100, 0)], [60, 64]),  # cut
        (5, [(60, 0, 1), (64, 100, 99)], [64]),  # one is short, whatever strangers there are
    ],
)
def test_strangers_may_have_any_size(foreign: int, sizes: list[tuple[int, int, int]], blamed: list[int]) -> None:
    assert [size.size_bytes for size in _changed(trial(foreign, *sizes))] == blamed
