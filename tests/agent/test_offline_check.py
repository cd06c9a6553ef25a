# SPDX-License-Identifier: Apache-2.0
"""`check` recounts what is in the files, whatever their form."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from nfvcap.agent.frame import FrameId, Layout, Tag, build
from tests.agent.captures import (
    FORMS,
    START_NS,
    Checked,
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
)  # fmt: skip
from tests.agent.support import Agent


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(agent: Agent, tmp_path: Path, form: str) -> None:
    records = numbered([*range(500), *range(510, 1000), 400], size=100)
    done = check(agent, write(tmp_path / "x", FORMS[form](records)), "--expect", "1000")
    numbers, totals = done.numbers, done.report["totals"]
    assert done.code == 4 and done.report["problems"] == ["missing", "duplicates"]
    assert (numbers["packets"], numbers["distinct"], numbers["missing"], numbers["duplicates"]) == (991, 990, 10, 1)
    assert numbers["flows"][0]["missing_ranges"] == [[500, 509]]
    assert totals["good"] == 991 and totals["foreign"] == totals["corrupt"] == 0
    assert totals["wire_bytes"] == totals["captured_bytes"] == 99100
    unit = 1 if "us" not in form else 1000
    assert totals["first_ns"] == records[0].ns // unit * unit
    assert totals["last_ns"] == records[-1].ns // unit * unit
    assert done.file["state"] == "whole" and done.file["whole_bytes"] == done.file["file_bytes"]
    assert done.file["byte_order"] == ("big" if "big" in form else "little")
    assert done.report["sizes"] == [{"bytes": 100, "packets": 991}]
    assert totals["delay_min_ns"] == totals["delay_max_ns"] == 1000 or unit == 1000


def model(files: list[list[Record]], expected: int, flows: int) -> dict[str, int]:
    """The account of the numbers, straight from its definition."""
    seen: dict[int, set[int]] = {}
    packets = reordered = 0
    extent = 0
    for records in files:
        arrived: dict[int, list[int]] = {}
        for r in records:
            if r.data[42:44] != b"nf":
                continue
            flow = int.from_bytes(r.data[28:30], "big")
            seq = int.from_bytes(r.data[44:52], "big")
            packets += 1
            before = arrived.setdefault(flow, [])
            known = seq in seen.setdefault(flow, set())
            seen[flow].add(seq)
            if seq in before or known:
                continue
            higher = next((i for i, other in enumerate(before) if other > seq), None)
            if higher is not None:
                reordered += 1
                extent = max(extent, len(before) - higher)
            before.append(seq)
    wanted = {(f, k) for f in range(flows) for k in range(expected // flows + (f < expected % flows))}
    found = {(f, k) for f, numbers in seen.items() for k in numbers}
    return {
        "packets": packets, "distinct": len(found), "duplicates": packets - len(found), "missing": len(wanted - found),
        "beyond_expected": len(found - wanted), "reordered": reordered, "reorder_extent_max": extent,
    }  # fmt: skip


def storm(rng: random.Random, expected: int, flows: int, files: int) -> list[list[Record]]:
    """Numbered frames over several files, each flow in one of them; some lost, some late, some foreign."""
    out: list[list[Record]] = [[] for _ in range(files)]
    for k in range(expected):
        flow = k % flows
        if rng.random() < 0.02:
            continue
        frame = build(rng.choice([60, 60, 72, 300]), FrameId(k // flows, START_NS + k, flow))
        out[flow % files].append(record(START_NS + k, frame))
        if rng.random() < 0.01:
            out[flow % files].append(record(START_NS + k, rng.randbytes(80)))
    for records in out:
        for _ in range(len(records) // 50):
            a = rng.randrange(len(records))
            b = min(len(records) - 1, a + rng.randrange(1, 30))
            records.insert(b, records.pop(a))
    return out


@pytest.mark.parametrize("seed", range(6))
def test_the_account_is_the_definition(agent: Agent, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    expected, flows, n_files = rng.randrange(500, 3000), rng.choice([1, 2, 5, 16]), rng.choice([1, 2, 5])
    files = storm(rng, expected, flows, n_files)
    paths = []
    for i, records in enumerate(files):
        # Damage in one file of three: a frame of which one byte is wrong.
        if i % 3 == 0 and records:
            at = rng.randrange(len(records))
            records.append(Record(records[-1].ns, records[at].data[:30] + b"\xee" + records[at].data[31:],
                                  records[at].wire_bytes))  # fmt: skip
        paths.append(write(tmp_path / f"{i}.pcap", FORMS[rng.choice(list(FORMS))](records)))
    good = [[r for r in records if r.data[30:31] != b"\xee"] for records in files]
    want = model(good, expected, flows)
    reports = []
    for threads, part in (("1", "32M"), ("2", "32M"), ("7", "32M"), ("16", "1K")):
        done = check(
            agent, *paths, "--expect", str(expected), "--flows", str(flows), "--threads", threads, "--part", part
        )
        reports.append(done.report)
        assert {key: done.numbers[key] for key in want} == want, (threads, part)
        totals = done.report["totals"]
        assert totals["packets"] == sum(map(len, files))
        assert totals["packets"] == totals["good"] + totals["corrupt"] + totals["foreign"]
    assert all(report == reports[0] for report in reports), "however many threads read it"


def test_flows_and_expectations_of_their_own(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", pcap(numbered(range(10), 0) + numbered(range(5, 10), 3)))
    done = check(agent, path, "--expect", "3:12", "--expect", "0:10")
    assert done.code == 4
    by_flow = {flow["flow"]: flow for flow in done.numbers["flows"]}
    assert by_flow[3]["missing_ranges"] == [[0, 4], [10, 11]] and by_flow[3]["expected"] == 12
    assert by_flow[0]["missing"] == 0
    assert check(agent, path, "--expect", "3:5", "--first", "5").report["problems"] == []
    assert check(agent, path, "--expect", "3:4", "--first", "5").report["problems"] == ["beyond_expected"]


def test_nothing_expected_and_nothing_numbered(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", pcap([record(START_NS, bytes(60))] * 5))
    done = check(agent, path)
    assert done.code == 0 and done.report["notices"] == []
    assert done.report["totals"]["foreign"] == 5
    done = check(agent, path, "--expect", "5")
    assert done.report["problems"] == ["missing"] and done.report["notices"] == ["foreign"]


def test_tags_snap_lengths_and_link_types(agent: Agent, tmp_path: Path) -> None:
    tagged = numbered(range(100), size=200, layout=Layout(tags=(Tag(7, 0x88A8), Tag(9))))
    snapped = [record(r.ns, r.data, 68) for r in tagged]
    too_short = [record(r.ns, r.data, 67) for r in tagged]
    done = check(agent, write(tmp_path / "x", pcap(tagged)), "--expect", "100")
    assert done.code == 0
    done = check(agent, write(tmp_path / "x", pcap(snapped)), "--expect", "100")
    assert done.code == 0 and done.report["totals"]["cut_by_snaplen"] == 100
    done = check(agent, write(tmp_path / "x", pcap(too_short)))
    assert done.report["notices"] == ["too_short"] and done.report["totals"]["too_short"] == 100
    plain = numbered(range(100), size=200)
    raw = [record(r.ns, r.data[14:]) for r in plain]
    cooked = [record(r.ns, bytes(14) + r.data[12:]) for r in plain]
    cooked2 = [record(r.ns, b"\x08\0" + bytes(18) + r.data[14:]) for r in plain]
    for link, records in ((101, raw), (228, raw), (113, cooked), (276, cooked2)):
        done = check(agent, write(tmp_path / "x", pcap(records, link=link)), "--expect", "100")
        assert done.code == 0, link


def test_sections_interfaces_and_resolutions(agent: Agent, tmp_path: Path) -> None:
    """Two sections in different byte orders, three interfaces of different clocks and link types."""
    frames = numbered(range(30))
    raw = [record(r.ns, r.data[14:]) for r in frames]
    parts = [section(), interface(tsresol=6), interface(link=101, tsresol=0x80 | 30)]
    for i in range(10):
        parts.append(enhanced(frames[i], number=0, unit_ns=1000))
        ticks = raw[10 + i].ns * 2**30 // 10**9
        parts.append(enhanced(Record(ticks, raw[10 + i].data, raw[10 + i].wire_bytes), number=1))
    parts += [section(">"), interface(">", tsresol=9), *(enhanced(r, ">") for r in frames[20:])]
    done = check(agent, write(tmp_path / "x", b"".join(parts)), "--expect", "30")
    assert done.code == 0 and done.file["sections"] == 2 and done.file["interfaces"] == 3
    assert done.report["totals"]["last_ns"] == frames[-1].ns
    assert done.report["totals"]["time_backward"] >= 9  # microseconds between nanoseconds


def test_time_that_goes_backward(agent: Agent, tmp_path: Path) -> None:
    records = numbered(range(300))
    records[200] = Record(records[100].ns, records[200].data, 60)
    path = write(tmp_path / "x", pcap(records))
    done = check(agent, path)
    assert done.code == 0 and done.report["notices"] == ["time_backward"]
    totals = done.report["totals"]
    assert (totals["time_backward"], totals["time_backward_max_ns"]) == (1, 9900)
    assert done.file["time_backward_first_offset"] == 24 + 200 * 76
    assert check(agent, path, "--strict").report["problems"] == ["time_backward"]


def test_first_corrupt_frame_is_found(agent: Agent, tmp_path: Path) -> None:
    data = bytearray(pcap(numbered(range(300))))
    data[24 + 123 * 76 + 16 + 50] ^= 4
    done = check(agent, write(tmp_path / "x", bytes(data)), "--expect", "300")
    assert done.report["problems"] == ["corrupt", "missing"]
    assert done.file["corrupt_first_offset"] == 24 + 123 * 76
    assert done.numbers["flows"][0]["missing_ranges"] == [[123, 123]]


def test_ranges_are_bounded_but_counted(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x", pcap(numbered(range(0, 1000, 2))))
    done = check(agent, path, "--ranges", "10")
    assert len(done.numbers["flows"][0]["missing_ranges"]) == 10
    assert done.numbers["missing_ranges_total"] == 499 and done.numbers["missing"] == 499


def test_large_and_wide_numbers(agent: Agent, tmp_path: Path) -> None:
    """Numbers near the end of their range, and so far apart that nothing may depend on the distance."""
    seqs = [0, 2**32, 2**48 + 5, 2**63, 2**64 - 2, 2**64 - 1]
    done = check(agent, write(tmp_path / "x", pcap(numbered(seqs, flow=65535))))
    flow = done.numbers["flows"][-1]
    assert flow["flow"] == 65535 and flow["distinct"] == 6 and flow["missing"] == 2**64 - 6
    assert flow["missing_ranges"][0] == [1, 2**32 - 1]


def test_memory_limit(agent: Agent, tmp_path: Path) -> None:
    rng = random.Random(1)
    path = write(tmp_path / "x", pcap(numbered(rng.randrange(2**64) for _ in range(20_000))))
    done = agent.run("check", "--memory", "64K", str(path))
    assert done.returncode == 5 and "--memory" in done.stderr
    assert check(agent, path).numbers["distinct"] == 20_000


def test_standard_input(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x", pcapng(numbered(range(5000))))
    with path.open("rb") as file:
        done = subprocess.run(
            [str(agent.binary), "check", "--expect", "5000", "-"],
            stdin=file,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout


def test_text_report(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pcap", pcap([*numbered(range(10)), *numbered(range(20, 30))]))
    done = agent.run("check", str(path))
    assert done.returncode == 4
    assert "flow 0 misses 10 to 19 (10)" in done.stdout
    assert "first 2023-11-14T22:13:20.000001000Z" in done.stdout
    assert done.stdout.rstrip().endswith("NOT OK missing! time_backward")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "no file"),
        (["/nonexistent"], "No such file"),
        (["/"], "directory"),
        (["--expect", "many", "x"], "not a number"),
        (["--expect", "70000:5", "x"], "0 to 65535"),
        (["--expect", "1:", "x"], "behind the colon"),
        (["--threads", "65", "x"], "0 to 64"),
        (["--memory", "lots", "x"], "not a size"),
        (["--repair=all", "x"], "--repair=corrupt"),
        (["--repair", "-"], "standard input"),
        (["--wrong"], "unrecognized option"),
    ],
)
def test_wrong_use_is_told(agent: Agent, args: list[str], words: str) -> None:
    done = agent.run("check", *args)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


@pytest.mark.parametrize("form", FORMS)
def test_tshark_counts_the_same(agent: Agent, tmp_path: Path, form: str) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    rng = random.Random(form)
    records = storm(rng, 700, 3, 1)[0]
    path = write(tmp_path / "x", FORMS[form](records))
    done: Checked = check(agent, path)
    said = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "fields",
         "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    rows = [line.split("\t") for line in said.splitlines()]
    times = [int(row[0].replace(".", "")) for row in rows]
    totals = done.report["totals"]
    assert len(rows) == totals["packets"]
    assert sum(int(row[1]) for row in rows) == totals["wire_bytes"]
    assert sum(int(row[2]) for row in rows) == totals["captured_bytes"]
    assert (min(times), max(times)) == (totals["first_ns"], totals["last_ns"])
    assert sum(b < a for a, b in itertools.pairwise(times)) == totals["time_backward"]
