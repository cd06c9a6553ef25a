# SPDX-License-Identifier: Apache-2.0
"""`check --repair` makes a file whole again, and touches nothing that it should not."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.agent.captures import FORMS, START_NS, Record, check, enhanced, interface, numbered, pcap, section, write
from tests.agent.support import Agent


def boundaries(form: str, records: list[Record]) -> list[int]:
    """Where the file may end: behind its header and behind each record."""
    return [len(FORMS[form](records[:count])) for count in range(len(records) + 1)]


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_anywhere(agent: Agent, tmp_path: Path, form: str) -> None:
    rng = random.Random(form)
    records = numbered(range(12), size=70)
    data, ends = FORMS[form](records), boundaries(form, records)
    for length in [*rng.sample(range(ends[0], len(data)), 12), ends[5]]:
        path = write(tmp_path / "x", data[:length])
        whole = max(end for end in ends if end <= length)
        done = check(agent, "--repair", path)
        assert done.file["repaired"] == (whole != length) and done.file["removed_bytes"] == length - whole
        assert path.read_bytes() == data[:whole]
        again = check(agent, path)
        assert again.code == 0 and again.file["state"] == "whole"
        assert again.report["totals"]["packets"] == ends.index(whole)
        if shutil.which("capinfos"):
            subprocess.run(["capinfos", "-c", str(path)], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("form", FORMS)
def test_space_never_written(agent: Agent, tmp_path: Path, form: str) -> None:
    """What is left of a file whose space was taken beforehand when its writer was killed."""
    data = FORMS[form](numbered(range(50)))
    path = write(tmp_path / "x", data)
    os.truncate(path, 64 << 20)
    done = check(agent, path)
    assert done.code == 4 and done.report["problems"] == ["cut"]
    assert done.file["state"] == "unwritten" and done.file["whole_bytes"] == len(data)
    assert "--repair" in done.stderr and path.stat().st_size == 64 << 20
    done = check(agent, "--repair", "--expect", "50", path)
    assert done.code == 0 and path.read_bytes() == data


def test_damage_is_repaired_only_when_told(agent: Agent, tmp_path: Path) -> None:
    data = pcap(numbered(range(50)))
    broken = data[: 24 + 76 * 20] + b"\xff" * 16 + data[24 + 76 * 20 + 16 :]
    path = write(tmp_path / "x", broken)
    done = check(agent, "--repair", path)
    assert done.code == 4 and done.report["problems"] == ["damaged"] and "--repair=corrupt" in done.stderr
    assert path.read_bytes() == broken
    done = check(agent, "--repair=corrupt", path)
    assert done.code == 0 and path.read_bytes() == data[: 24 + 76 * 20]


def test_data_behind_a_hole_is_not_given_up(agent: Agent, tmp_path: Path) -> None:
    """Zeros with packets behind them: a power cut can do that. Only --repair=corrupt drops those packets."""
    data = pcap(numbered(range(10)))
    holed = data + bytes(4096) + data[24:]
    path = write(tmp_path / "x", holed)
    done = check(agent, "--repair", path)
    assert done.code == 4 and done.report["problems"] == ["damaged"]
    # The first byte of the seconds, 0x6553f100, is itself a zero.
    assert f"other bytes again from offset {len(data) + 4097}" in done.stderr and path.read_bytes() == holed


def test_section_length_is_forgotten(agent: Agent, tmp_path: Path) -> None:
    """A section that says how long it is would be wrong about it once it is cut."""
    for order in "<>":
        body = interface(order) + b"".join(enhanced(r, order) for r in numbered(range(5)))
        data = section(order, len(body)) + body
        path = write(tmp_path / "x", data[:-5])
        assert check(agent, "--repair", path).code == 0
        assert path.read_bytes() == section(order, -1) + body[: -len(enhanced(numbered([4])[0], order))]


def test_whole_files_are_not_opened_for_writing(agent: Agent, tmp_path: Path) -> None:
    path = write(tmp_path / "x", pcap(numbered(range(5))))
    before = path.stat()
    assert check(agent, "--repair", path).code == 0
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_locked_files_are_left_alone(agent: Agent, tmp_path: Path) -> None:
    data = pcap(numbered(range(5)))[:-1]
    path = write(tmp_path / "x", data)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = check(agent, "--repair", path)
    assert done.code == 4 and "lock" in done.stderr and path.read_bytes() == data


def test_the_last_writes_of_a_killed_capture_are_waited_for(agent: Agent, tmp_path: Path) -> None:
    """The kernel goes on writing for a process that is gone; only then is the file what it will be."""
    data = pcap(numbered(range(50)))
    path = write(tmp_path / "x", data[:1000])
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        checking = subprocess.Popen([str(agent.binary), "check", "--repair", str(path)], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        assert checking.poll() is None
        file.write(data[:-1])
    assert checking.wait(timeout=60) == 0
    assert path.read_bytes() == data[: -len(data[24:]) // 50]


def test_a_file_without_a_header_cannot_be_repaired(agent: Agent, tmp_path: Path) -> None:
    for data, words in ((b"", "empty"), (bytes(100), "never written"), (pcap([])[:20], "inside its pcap header")):
        path = write(tmp_path / "x", data)
        done = check(agent, "--repair", path)
        assert done.code == 4 and done.report["problems"] == ["unreadable"] and words in done.stderr
        assert path.read_bytes() == data


def test_one_of_several(agent: Agent, tmp_path: Path) -> None:
    good = write(tmp_path / "good", pcap(numbered(range(0, 50))))
    cut = write(tmp_path / "cut", pcap(numbered(range(50, 100)))[:-1])
    done = check(agent, "--repair", "--expect", "100", good, cut)
    assert done.report["problems"] == ["missing"] and done.numbers["missing"] == 1
    assert [file["state"] for file in done.report["files"]] == ["whole", "cut"]
    assert [file["repaired"] for file in done.report["files"]] == [False, True]


def test_times_survive(agent: Agent, tmp_path: Path) -> None:
    records = numbered(range(100))
    path = write(tmp_path / "x", pcap(records)[:-10])
    check(agent, "--repair", path)
    totals = check(agent, path).report["totals"]
    assert totals["first_ns"] == START_NS + 1000 and totals["last_ns"] == records[98].ns
