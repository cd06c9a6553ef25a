# SPDX-License-Identifier: Apache-2.0
"""A result with every verdict, made by hand; with characters that each format has to take care of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nfvcap.errors import ExitCode
from nfvcap.model.result import Check, HostResult, Result, Verdict

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "verify" / "packets")]


def check(number: str, verdict: Verdict, subject: str = "", **words: str) -> Check:
    fields = {"title": f"Title {number}", "found": "x", "wanted": "y", "fix": "", **words}
    return Check(id=f"NFV-STATE-{number}", subject=subject, verdict=verdict, duration_s=0.001, **fields)


@pytest.fixture
def good() -> HostResult:
    environment = {"machine": "Box", "os": "Debian", "kernel": "6.12", "cpu": "CPU", "nics": [
        {"address": "0000:81:00.0", "id": "8086:10c9", "driver": "igb", "node": 1, "vfs": 4,
         "driver_version": "6.12", "firmware": ""}]}  # fmt: skip
    checks = (check("010", Verdict.PASS, "iommu=pt"), check("030", Verdict.PASS, "node0 1 GiB"))
    return HostResult(host="good", environment=environment, checks=checks)


@pytest.fixture
def bad() -> HostResult:
    checks = (
        check("010", Verdict.PASS, "iommu=pt"),
        check("030", Verdict.FAIL, "node1 2 MiB", found="500 <pages> & \x07#1", fix="echo 512 > /sys/x"),
        check("041", Verdict.SKIP, reason="this kernel is built without # NO_HZ_FULL"),
        check("042", Verdict.ERROR, found="", wanted="", reason="/proc/irq cannot be read"),
        check("056", Verdict.WARN, "0000:82:00.0", fix="plan the PF"),
    )
    return HostResult(host="bad", environment={"kernel": "6.12"}, checks=checks)


@pytest.fixture
def gone() -> HostResult:
    only = check("001", Verdict.ERROR, found="No route to host", fix="is it up?")
    return HostResult(host="gone", environment={}, checks=(only,), blocked=ExitCode.UNREACHABLE)


@pytest.fixture
def result(good: HostResult, bad: HostResult, gone: HostResult) -> Result:
    return Result(nfvcap_version="0.1.0", created_at="2026-11-23T12:00:00Z", hosts=(good, bad, gone))
