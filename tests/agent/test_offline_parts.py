# SPDX-License-Identifier: Apache-2.0
"""A file read in parts by several threads gets the very report that one reader gives it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.agent.captures import (
    FORMS,
    START_NS,
    Record,
    check,
    enhanced,
    interface,
    numbered,
    pcap,
    pcapng,
    record,
    section,
    write,
)
from tests.agent.support import Agent


def in_parts(agent: Agent, path: Path, *args: str) -> dict[str, Any]:
    """The report of a file read in parts, which has to be that of the file read by one."""
    whole = check(agent, path, "--threads", "1", *args).report
    for threads in ("2", "5", "40"):
        assert check(agent, path, "--threads", threads, "--part", "1K", *args).report == whole
    return whole


@pytest.mark.parametrize("form", FORMS)
def test_one_file_in_parts(agent: Agent, tmp_path: Path, form: str) -> None:
    records = numbered(range(4000), size=64)
    in_order = write(tmp_path / "x", FORMS[form](records))
    assert in_parts(agent, in_order, "--expect", "4000")["problems"] == []
    # Late by a few, everywhere, and so across every border; time goes backward there, too.
    late = [records[k ^ 1] for k in range(4000)]
    report = in_parts(agent, write(tmp_path / "x", FORMS[form](late)), "--expect", "4000")
    assert report["numbers"]["reordered"] == 2000
    # Each number twice, half a file apart.
    report = in_parts(agent, write(tmp_path / "x", FORMS[form](numbered([*range(2000)] * 2))))
    assert report["numbers"]["duplicates"] == 2000


def test_one_late_packet_across_one_border(agent: Agent, tmp_path: Path) -> None:
    """Wherever it is late: each border is compared with all that came before it, not with the first part alone."""
    for percent in range(5, 90, 8):
        records = numbered(range(3000))
        records.insert(30 * (percent + 8), records.pop(30 * percent))
        report = in_parts(agent, write(tmp_path / "x", pcap(records)), "--expect", "3000")
        assert report["numbers"]["reordered"] == 1 and report["numbers"]["reorder_extent_max"] == 240


def test_time_goes_backward_at_every_record(agent: Agent, tmp_path: Path) -> None:
    """Borders between parts included; the numbers are in order, so the parts do count."""
    records = [Record(START_NS - 10 * k, r.data, r.wire_bytes) for k, r in enumerate(numbered(range(3000)))]
    report = in_parts(agent, write(tmp_path / "x", pcap(records)))
    assert report["totals"]["time_backward"] == 2999 and report["totals"]["time_backward_max_ns"] == 10
    # And by far the most at one place, wherever the borders are.
    for percent in range(5, 95, 10):
        records = numbered(range(3000))
        records[30 * percent :] = [Record(r.ns - 900_000, r.data, 60) for r in records[30 * percent :]]
        report = in_parts(agent, write(tmp_path / "x", pcap(records)))
        assert report["files"][0]["time_backward_first_offset"] == 24 + 76 * 30 * percent


@pytest.mark.parametrize("form", FORMS)
def test_damage_and_cuts_in_parts(agent: Agent, tmp_path: Path, form: str) -> None:
    data = FORMS[form](numbered(range(4000), size=64))
    rng = random.Random(form)
    for length in rng.sample(range(1000, len(data)), 5):
        report = in_parts(agent, write(tmp_path / "x", data[:length]))
        assert report["files"][0]["state"] in ("whole", "cut")
        damaged = bytearray(data)
        damaged[length : length + 8] = bytes(8)
        in_parts(agent, write(tmp_path / "x", bytes(damaged)))
        in_parts(agent, write(tmp_path / "x", data[:length] + bytes(200_000)))


def test_records_within_packets_are_no_border(agent: Agent, tmp_path: Path) -> None:
    """Packets that carry capture files themselves: what looks like a record is not one."""
    inner = pcap(numbered(range(300), flow=9))[24:]
    inner_ng = b"".join(enhanced(r) for r in numbered(range(300), flow=9))
    outer = [record(START_NS + k, bytes(60) + (inner if k % 2 else inner_ng)) for k in range(60)]
    for form in ("pcap-ns", "pcapng-ns"):
        report = in_parts(agent, write(tmp_path / "x", FORMS[form](outer)))
        assert report["totals"]["packets"] == report["totals"]["foreign"] == 60


def test_a_section_that_begins_within_a_part(agent: Agent, tmp_path: Path) -> None:
    """Interfaces of another clock in the middle of the file: parts that do not know of them must not count."""
    first = pcapng(numbered(range(2000)))
    second = pcapng(numbered(range(2000, 4000)), ns=False)
    report = in_parts(agent, write(tmp_path / "x", first + second), "--expect", "4000")
    assert report["problems"] == [] and report["files"][0]["sections"] == 2
    more = section() + interface() + b"".join(enhanced(r) for r in numbered(range(2000)))
    more += interface(tsresol=6) + b"".join(enhanced(r, number=1, unit_ns=1000) for r in numbered(range(2000, 4000)))
    report = in_parts(agent, write(tmp_path / "x", more), "--expect", "4000")
    assert report["problems"] == [] and report["files"][0]["interfaces"] == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_file_in_memory_gets_the_report_of_a_file_on_disk(
    agent: Agent, tmp_path: Path, memory_dir: Path, form: str
) -> None:
    """It is looked at where it is, not read: whole, cut, damaged and unwritten ones, by one thread and several."""
    data = FORMS[form](numbered(range(24_000), size=64))
    assert len(data) > 1 << 20  # smaller ones are read in any case
    damaged = data[:1_300_000] + bytes(8) + data[1_300_008:]
    for content in (data, data[:-1], data[:1_234_567], damaged, data + bytes(100_000)):
        reports = []
        for where in (tmp_path, memory_dir):
            path = write(where / "x", content)
            for threads in ("1", "3"):
                report = check(agent, path, "--threads", threads, "--part", "100K").report
                report["files"][0].pop("path")
                reports.append(report)
        assert reports[1:] == reports[:1] * 3
