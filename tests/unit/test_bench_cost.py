# SPDX-License-Identifier: Apache-2.0
"""The benchmark of what the commands cost says when a limit is not met; its contestants are stand-ins here."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Seconds that a stand-in takes; far above what starting it costs, so that the ratios are what they say.
PING_S = 0.05


@pytest.fixture
def bench_cost(top: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(top / "tools"))
    return importlib.import_module("bench_cost")


def run(
    bench_cost: ModuleType, monkeypatch: pytest.MonkeyPatch, *, calls: dict[str, int], ratio: dict[str, float]
) -> int:
    """Its exit status, with contestants that call ssh so often and take so many times a ping."""

    def contestant(argv: tuple[str, ...], env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        verb = argv[1] if argv[0].endswith("nfvcap") else "ping"
        noted = Path(env["ANSIBLE_SSH_EXECUTABLE"]).parent / "calls"
        noted.write_text("x\n" * calls[verb])
        time.sleep(PING_S * ratio[verb])
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(bench_cost.subprocess, "run", contestant)
    monkeypatch.setattr(sys, "argv", ["bench_cost", "host1", "-i", "inventory.yml", "--runs", "1"])
    status: int = bench_cost.main()
    return status


GOOD_CALLS = {"ping": 2, "plan": 1, "provision": 3}
GOOD_RATIO = {"ping": 1.0, "plan": 1.0, "provision": 4.0}


def test_limits_that_are_met(
    bench_cost: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bench_cost, monkeypatch, calls=GOOD_CALLS, ratio=GOOD_RATIO) == 0
    said = capsys.readouterr().out
    assert said.count(": met") == 4 and "not met" not in said
    assert "no role is run" in said.splitlines()[-1], "what the figures leave out"


@pytest.mark.parametrize(
    ("calls", "ratio", "name"),
    [
        ({"plan": 2}, {}, "nfvcap plan"),
        ({"provision": 4}, {}, "nfvcap provision"),
        ({}, {"plan": 4.0}, "nfvcap plan"),
        ({}, {"provision": 12.0}, "nfvcap provision"),
    ],
)
def test_each_limit_that_is_not_met_is_said_and_fails(
    bench_cost: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    calls: dict[str, int],
    ratio: dict[str, float],
    name: str,
) -> None:
    assert run(bench_cost, monkeypatch, calls=GOOD_CALLS | calls, ratio=GOOD_RATIO | ratio) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not met" in line]
    assert line.startswith(name)
