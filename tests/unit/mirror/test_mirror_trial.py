# SPDX-License-Identifier: Apache-2.0
"""Counting a mirror test: frames made here, captured as tcpdump does, recounted by the host's code, judged."""

from __future__ import annotations

import struct

import pytest
from ansible.module_utils.nfvcap_numbered import in_ranges, numbers

import tests.fixtures  # noqa: F401
from nfvcap.errors import ExitCode
from nfvcap.mirror.isolation import Isolation, Share
from nfvcap.mirror.stream import Sent, Stream, frame
from nfvcap.mirror.trial import Heard, Trial, words

MAC = "02:00:00:81:00:00"


def frames(count: int, size_bytes: int, flow: int, mac: str, vlan: int) -> list[bytes]:
    return [frame(Stream(mac, vlan, size_bytes), flow, number) for number in range(count)]


def pcap(found: list[bytes], snap: int = 96) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, min(len(one), snap), len(one)) + one[:snap] for one in found)


@pytest.mark.parametrize("vlan", [0, 100])
@pytest.mark.parametrize("size_bytes", [60, 64, 1514])
def test_the_host_counts_what_the_controller_sends(size_bytes: int, vlan: int) -> None:
    sent = frames(10, size_bytes, 77, MAC, vlan)
    others = [*frames(5, 64, 78, MAC, 0), b"\xff" * 64, b""]
    assert numbers(pcap(sent + others), 77) == list(range(10))
    assert sent[0][:6] == bytes.fromhex(MAC.replace(":", "")) and len(sent[0]) == size_bytes + (4 if vlan else 0)


def test_a_capture_that_was_cut_off_and_one_that_is_none() -> None:
    whole = pcap(frames(3, 64, 1, MAC, 0))
    assert numbers(whole[:-10], 1) == [0, 1]
    with pytest.raises(ValueError, match="no capture"):
        numbers(b"", 1)


def heard(*found: int, sent: Sent | None = None) -> Heard:
    return Heard.of("x", {"received": len(found), "ranges": in_ranges(list(found))}, sent or Sent(0, 0, 100))


@pytest.mark.parametrize(
    ("watched", "monitor", "code", "lost"),
    [
        ((0, 1, 2, 3), (0, 1, 2, 3), ExitCode.OK, 0),
        ((0, 1, 2, 3), (3, 0, 2, 1), ExitCode.OK, 0),
        ((0, 1, 2, 3), (0, 1, 3), ExitCode.CHECK_FAILED, 1),
        ((0, 1, 2, 3), (), ExitCode.CHECK_FAILED, 4),
        ((0, 1, 2, 3), (0, 1, 1, 2, 3), ExitCode.CHECK_FAILED, 0),
        ((0, 1, 1, 2, 3), (0, 1, 2, 3), ExitCode.CHECK_FAILED, 0),
        ((0, 3), (0, 3), ExitCode.INCONCLUSIVE, 0),
        ((0, 3), (0, 1, 2, 3), ExitCode.INCONCLUSIVE, 0),
        ((), (), ExitCode.INCONCLUSIVE, 0),
    ],
)
def test_verdicts(watched: tuple[int, ...], monitor: tuple[int, ...], code: ExitCode, lost: int) -> None:
    trial = Trial(4, heard(*watched), heard(*monitor))
    assert (trial.code, trial.lost_copies) == (code, lost)


def test_missing_ranges() -> None:
    assert heard(2, 3, 7).missing(10) == ((0, 1), (4, 6), (8, 9))
    assert heard().missing(3) == ((0, 2),) and heard(0, 1, 2).missing(3) == ()
    assert words(((0, 1), (5, 5))) == "0-1, 5" and words(()) == "none"
    assert words(tuple((n, n) for n in range(0, 20, 2)), most=2) == "0, 2 and 8 more ranges"


def test_numbers_are_counted_from_the_first_that_was_sent_and_others_are_not_of_this_run() -> None:
    one = heard(7, 7, 100, 101, 103, 104, sent=Sent(0, 101, 3))
    assert one.ranges == ((0, 0), (2, 2)) and one.duplicates == 1 and one.missing(3) == ((1, 1),)


@pytest.mark.parametrize(
    ("vm1", "vm2", "code", "lost", "duplicated"),
    [
        ((0, 1, 2), (0, 1, 2, 3), ExitCode.OK, 0, 0),
        ((0, 2), (0, 1, 2, 3), ExitCode.CHECK_FAILED, 1, 0),
        ((0, 1, 2), (0, 1, 2, 3, 3), ExitCode.CHECK_FAILED, 0, 1),
        ((0, 2), (0, 1, 1, 2, 3), ExitCode.CHECK_FAILED, 1, 1),  # one does not make up for the other
        ((0, 1, 2), (), ExitCode.INCONCLUSIVE, 4, 0),
    ],
)
def test_isolation(vm1: tuple[int, ...], vm2: tuple[int, ...], code: ExitCode, lost: int, duplicated: int) -> None:
    found = Isolation((Share(3, heard(*vm1, sent=Sent(5, 0, 3))), Share(4, heard(*vm2, sent=Sent(6, 0, 4)))), 10.0)
    assert (found.code, found.lost, found.duplicated, found.sent) == (code, lost, duplicated, 7)
