# SPDX-License-Identifier: Apache-2.0
"""Kernel arguments are compared token by token, as the kernel reads them."""

from __future__ import annotations

import pytest
from ansible.module_utils.nfvcap_cmdline import in_effect, merge, missing, settings, split
from hypothesis import example, given
from hypothesis import strategies as st

PAIRS = ["hugepagesz=1G", "hugepages=4", "hugepagesz=2M", "hugepages=512"]


def test_quotes_keep_a_value_together() -> None:
    assert split('quiet  dyndbg="file a.c +p"\troot=UUID=1-2') == ["quiet", 'dyndbg="file a.c +p"', "root=UUID=1-2"]
    assert settings('dyndbg="a b"') == settings('"dyndbg=a b"')


def test_dash_and_underscore_are_one_letter_in_keys_and_not_in_values() -> None:
    assert not missing("intel-iommu=on", ["intel_iommu=on"])
    assert missing("x=a-b", ["x=a_b"]) == ["x=a_b"]


@pytest.mark.parametrize("running", ["intel_iommu=on,sm_on", "intel_iommu=onwards", "xintel_iommu=on", "intel_iommu"])
def test_a_part_of_a_value_is_not_the_value(running: str) -> None:
    assert missing(running, ["intel_iommu=on"]) == ["intel_iommu=on"]


def test_the_last_of_two_values_counts_unless_the_key_adds_up() -> None:
    assert missing("isolcpus=2-3 isolcpus=4", ["isolcpus=2-3"]) == ["isolcpus=2-3"]
    assert not missing("console=tty0 console=ttyS0", ["console=tty0"])


def test_page_counts_belong_to_the_size_before_them() -> None:
    assert not missing("hugepagesz=2M hugepages=512 hugepagesz=1G hugepages=4", PAIRS)
    assert missing("hugepagesz=2M hugepages=4 hugepagesz=1G hugepages=512", PAIRS) == PAIRS
    assert missing("hugepagesz=1024M hugepages=4", PAIRS) == PAIRS[2:]


def test_of_two_counts_for_one_size_the_first_counts() -> None:
    running = "hugepagesz=1G hugepages=1 hugepagesz=1G hugepages=4"
    assert missing(running, PAIRS[:2]) == PAIRS[:2]
    assert merge(running, PAIRS[:2]) == "hugepagesz=1G hugepages=4"


def test_the_default_size_is_the_one_that_is_named_as_such() -> None:
    assert not missing("default_hugepagesz=1G hugepages=4", PAIRS[:2])
    assert not missing("hugepages=4 default_hugepagesz=1G", PAIRS[:2])
    assert missing("hugepages=4", PAIRS[:2]) == PAIRS[:2]


def test_counts_of_the_default_size_go_before_any_named_size() -> None:
    merged = merge("quiet hugepagesz=1G hugepages=4", ["hugepages=8"])
    assert not missing(merged, ["hugepages=8", *PAIRS[:2]])


def test_merge_keeps_what_is_not_ours_and_its_order() -> None:
    before = "BOOT_IMAGE=/vmlinuz root=UUID=1 ro console=tty0 console=ttyS0 quiet iommu=soft"
    after = merge(before, ["intel_iommu=on", "iommu=pt"])
    assert after == before + " intel_iommu=on iommu=pt"
    assert merge(after, [], ["intel_iommu=on", "iommu=pt"]) == before


def test_merge_replaces_a_value_that_contradicts() -> None:
    assert merge("isolcpus=1 quiet", ["isolcpus=2-3"]) == "quiet isolcpus=2-3"


WORD_LIST = (
    "quiet isolcpus=1 isolcpus=2 iommu=pt iommu=off console=tty0 nohz-full=2 nohz_full=3 hugepagesz=2M hugepagesz=1G "
    "hugepagesz=2048K hugepages=1 hugepages=2 default_hugepagesz=1G"
)
WORDS = st.sampled_from(split(WORD_LIST))


@example(["default_hugepagesz=1G"], ["hugepages=1"])
@example(["hugepages=1"], ["hugepages=1", "default_hugepagesz=1G"])
@given(st.lists(WORDS, max_size=10), st.lists(WORDS, max_size=6, unique_by=lambda word: word.split("=")[0]))
def test_what_was_merged_is_in_effect_and_stays_as_it_is(have: list[str], wanted: list[str]) -> None:
    once = merge(" ".join(have), wanted)
    asked = settings(wanted)
    assert not missing(once, wanted)
    if not any(word.startswith("default_hugepagesz") for word in have):
        assert in_effect(once, asked) == asked
    assert merge(once, wanted) == once


@given(st.lists(WORDS, max_size=10))
def test_merging_nothing_changes_no_meaning(have: list[str]) -> None:
    text = " ".join(have)
    assert settings(merge(text, [])) == settings(text)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    assert "".join(split(text)) == "".join(letter for letter in "".join(split(text)))
    settings(text)
