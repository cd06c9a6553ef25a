# SPDX-License-Identifier: Apache-2.0
"""Rows around an interface of the kernel: counters that agree leave nothing over, and one that lies is found out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfvcap.model.measurement import Waterfall
from nfvcap.verify.packets.accounting import explained, waterfall
from nfvcap.verify.packets.path import Captured, Recount, Sent

few = st.integers(0, 10**6)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class World:
    """What really happened to frames of ours, and to those of others."""

    there: int = 1000
    before: int = 0  # lost in front of the interface; the PF saw ``crc`` more
    crc: int = 0
    inside: int = 0  # between interface and socket
    socket: int = 0
    filtered: int = 0
    others: int = 0  # in the file as well
    others_socket: int = 0  # lost at the socket
    others_inside: int = 0
    others_filtered: int = 0
    others_around: int = 0  # in the file, while the interface was not looked at, or sent by the machine itself
    duplicates: int = 0

    @property
    def sent(self) -> Sent:
        return Sent(self.there + self.before + self.crc + self.inside + self.socket + self.filtered)

    def fall(self, interface: int = 0, socket: int = 0, kernel: int = 0) -> Waterfall:
        """The waterfall when counters lie by so much."""
        stored = self.there + self.others + self.others_around + self.duplicates
        filtered = self.filtered + self.others_filtered
        missed, inside = self.socket + self.others_socket, self.inside + self.others_inside
        captured = Captured("net_af_packet", stored + filtered, stored, filtered=filtered, nic_missed=missed + socket)
        at_interface = stored - self.others_around + filtered + missed + inside
        return waterfall(
            self.sent, captured.seen_by_interface(at_interface + interface, inside + kernel),
            Recount(stored, self.there, duplicates=self.duplicates, foreign=self.others + self.others_around),
            {"pf_crc": self.crc}, ring_seen_by_source=False,
        )  # fmt: skip


def rows(fall: Waterfall) -> dict[str, int]:
    return {term.key: term.packets for term in fall.terms if term.packets}


worlds = st.builds(World, **dict.fromkeys(World.__dataclass_fields__, few))
losses = st.builds(World, **dict.fromkeys(("there", "before", "crc", "inside", "socket", "filtered"), few))


@relaxed
@given(worlds)
def test_counters_that_agree_leave_nothing_over(world: World) -> None:
    """Whatever others do to the counters, every frame of ours is in one row and none in two."""
    fall = world.fall()
    assert fall.residual == 0 and explained(fall), fall
    assert all((term.packets or 0) >= 0 for term in fall.terms)
    lost = world.sent.numbered - world.there
    assert sum(rows(fall).values()) == lost


@relaxed
@given(losses, few, few)
def test_without_others_each_row_is_what_was_lost_there(world: World, others: int, duplicates: int) -> None:
    """Others that are in the file change nothing: the file tells how many they are."""
    fall = replace(world, others=others, duplicates=duplicates).fall()
    wanted = {
        "pf_crc": world.crc, "before_interface": world.before, "in_kernel": world.inside, "nic_missed": world.socket,
        "filtered": world.filtered,
    }  # fmt: skip
    assert rows(fall) == {key: packets for key, packets in wanted.items() if packets}


@relaxed
@given(losses, st.integers(1, 10**6), st.sampled_from(["interface", "socket"]))
def test_a_counter_that_says_too_much_or_too_little_by_k_leaves_a_residual_of_k(world: World, k: int, who: str) -> None:
    """Nobody else is there who could be the reason."""
    world = replace(world, inside=0)
    if who == "interface":  # more, and fewer are missing in front of it; less, and more are missing than were sent
        world = replace(world, before=world.before + k)
        assert world.fall(interface=k).residual == k and world.fall(interface=-k).residual == -k
    else:
        world = replace(world, socket=world.socket + k)
        assert world.fall(socket=k).residual == -k and world.fall(socket=-k).residual == k


@relaxed
@given(losses, st.integers(1, 10**6))
def test_what_the_kernel_dropped_is_missed_when_it_is_not_told(world: World, k: int) -> None:
    """Too much is nothing new: drivers count there as well what did not come as far as the interface."""
    world = replace(world, inside=world.inside + k)
    assert world.fall(kernel=-k).residual == k
    assert world.fall(kernel=k).residual == 0 and rows(world.fall(kernel=k)) == rows(world.fall())
    assert world.fall(interface=-k - world.inside).residual == -k


@relaxed
@given(worlds, st.integers(1, 10**6))
def test_others_explain_no_more_than_there_were(world: World, k: int) -> None:
    """An interface that counts too few is found out, but for what others, and drops of others, may be the reason of."""
    there = world.others + world.others_around + world.others_socket + world.others_inside + world.others_filtered
    fall = world.fall(interface=-k - there - world.inside)
    assert -k - there - world.inside <= fall.residual <= -k


@pytest.mark.parametrize(
    ("lie", "residual", "good"), [({"interface": 3}, 3, False), ({"socket": -2}, 2, False), ({}, 0, True)]
)
def test_a_residual_there_is_a_failure_with_words(lie: dict[str, int], residual: int, good: bool) -> None:
    fall = World(before=5, socket=4).fall(**lie)
    assert (fall.residual, explained(fall)) == (residual, good)
    assert good or "behind the interface" in fall.residual_note


def test_where_the_figure_comes_from_is_said() -> None:
    fall = World(there=90, before=10, others=2).fall()
    (term,) = (term for term in fall.terms if term.key == "before_interface")
    assert (term.packets, term.source) == (10, "sent − received by the interface")
    assert term.note == "100 were on the link, the interface received 92, 2 of them others'"


def test_a_socket_that_does_not_count_is_blind() -> None:
    captured: Any = Captured("net_odd", 90, 90, nic_missed=None).seen_by_interface(100)
    fall = waterfall(Sent(100), captured, Recount(90, 90), {}, ring_seen_by_source=False)
    assert fall.residual == 10 and explained(fall) and "net_odd does not tell" in fall.residual_note
