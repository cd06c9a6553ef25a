# SPDX-License-Identifier: Apache-2.0
"""Captures of real networks and of broken programs, from tcpdump's own test suite, through `check` and `merge`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.agent import real
from tests.agent.captures import check
from tests.agent.support import Agent
from tests.agent.test_offline_merge import merge

# Fuzzed files of that suite with records of zeros in them, where others read empty packets and then rubbish.
ZERO_RECORDS = {"bgp_vpn_rt-oobr.pcap", "vtp_asan.pcap"}
ETHERNET = 1


@pytest.fixture(scope="module")
def captures() -> list[Path]:
    return real.captures("tcpdump")


def tshark(path: Path) -> list[tuple[int, int, int]] | None:
    """Time, length on the wire and captured length of each packet; None for link types that it does not know."""
    said = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "fields",
         "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "doesn't support" in said.stderr:
        return None
    rows = (line.split("\t") for line in said.stdout.splitlines())
    return [(int(row[0].replace(".", "")), int(row[1]), int(row[2])) for row in rows]


def test_every_capture_is_read(agent: Agent, captures: list[Path]) -> None:
    """All of them in one run: whole, but for the two that are known not to be."""
    assert len(captures) > 500
    done = check(agent, *captures)
    odd = {Path(f["path"]).name: f["state"] for f in done.report["files"] if f["state"] != "whole"}
    assert odd == dict.fromkeys(ZERO_RECORDS, "damaged")
    assert done.report["totals"]["good"] == done.report["totals"]["corrupt"] == 0, "none of these frames is ours"


def is_comparable(found: dict[str, Any]) -> bool:
    """Other link types have headers that some count and others do not; a fraction of a second or more is no time."""
    name = Path(found["path"]).name
    return found["link_type"] == ETHERNET and not found["odd_times"] and name not in ZERO_RECORDS


def to_ns(text: str) -> int:
    seconds, fraction = text.split(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def test_capinfos_reads_the_same(agent: Agent, captures: list[Path]) -> None:
    if shutil.which("capinfos") is None:
        pytest.skip("capinfos is not installed")
    done = check(agent, *captures)
    ours = {found["path"]: found for found in done.report["files"] if is_comparable(found)}
    said = subprocess.run(
        ["capinfos", "-T", "-r", "-M", "-c", "-d", "-a", "-e", "-S", *ours],
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout.splitlines()  # fmt: skip
    rows = [line.split("\t") for line in said]
    assert len(rows) == len(ours) > 200
    for path, packets, size, first, last in rows:
        found = ours[path]
        assert int(packets) == found["packets"], path
        assert int(size) == found["wire_bytes"], path
        if found["packets"]:
            assert (to_ns(first), to_ns(last)) == (found["first_ns"], found["last_ns"]), path


def test_tshark_reads_the_same(agent: Agent, captures: list[Path]) -> None:
    """A few of them, with every packet's lengths and times."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    compared = 0
    for path in captures[::90]:
        found = check(agent, path).file
        theirs = tshark(path)
        if not is_comparable(found) or theirs is None:
            continue
        assert len(theirs) == found["packets"], path
        assert sum(row[1] for row in theirs) == found["wire_bytes"], path
        assert sum(row[2] for row in theirs) == found["captured_bytes"], path
        assert min(row[0] for row in theirs) == found["first_ns"], path
        assert max(row[0] for row in theirs) == found["last_ns"], path
        compared += 1
    assert compared > 2


def test_merged_captures_hold_every_packet(agent: Agent, captures: list[Path], tmp_path: Path) -> None:
    """pcapng takes all of them at once, whatever their link types."""
    whole = [path for path in captures if path.name not in ZERO_RECORDS]
    before = check(agent, *whole).report["totals"]
    report = merge(agent, tmp_path / "all.pcapng", *whole)
    after = check(agent, tmp_path / "all.pcapng").report["totals"]
    for key in ("packets", "captured_bytes", "wire_bytes", "first_ns", "last_ns"):
        assert after[key] == before[key], key
    assert report["packets"] == before["packets"]
    assert after["time_backward"] == report["time_backward"]
