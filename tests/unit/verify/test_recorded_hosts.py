# SPDX-License-Identifier: Apache-2.0
"""Snapshots recorded from real systems, as the reader returned them (`nfvcap/snapshot/1`).

lab-after-a-slow-boot: the emulated lab server (Debian 13, kernel 6.12, igb), provisioned from inventory/lab.yml and
rebooted on a machine so busy that the kernel had not reserved the huge pages of node 1 within the unit's time limit.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nfvcap.model.result import Check, Verdict
from nfvcap.verify.case import Case, recorded_plan
from nfvcap.verify.environment import fingerprint
from nfvcap.verify.session import judge
from nfvcap.verify.snapshot import Snapshot


@pytest.fixture
def recorded(top: Path) -> dict[str, Any]:
    path = top / "tests" / "fixtures" / "snapshots" / "lab-after-a-slow-boot.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def judged(raw: dict[str, Any]) -> tuple[Check, ...]:
    snapshot = Snapshot(raw)
    plan = recorded_plan(snapshot, "host1")
    assert plan is not None
    return judge([Case("host1", plan, snapshot, plan)])["host1"]


def test_only_what_was_really_wrong_is_red(recorded: dict[str, Any]) -> None:
    checks = judged(recorded)
    assert [(c.id, c.subject, c.found) for c in checks if c.verdict is Verdict.FAIL] == [
        ("NFV-STATE-006", "nfvcap-hugepages.service", "failed (failed), result exit-code"),
        ("NFV-STATE-030", "node1 2 MiB", "329 pages"),
    ]
    assert Counter(c.verdict for c in checks) == {Verdict.PASS: 148, Verdict.FAIL: 2, Verdict.SKIP: 1}


def test_with_the_pages_there_the_words_of_the_failed_restore_remain(recorded: dict[str, Any]) -> None:
    """The unit is told to be fine, its log is not: the journal of its last run is looked at."""
    node = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
    recorded["files"][node] = "768\n"
    units = recorded["commands"]["units"]
    units["stdout"] = units["stdout"].replace("=failed", "=active").replace("=exit-code", "=success")
    red = [check for check in judged(recorded) if check.verdict is not Verdict.PASS]
    assert [(check.id, check.verdict) for check in red] == [("NFV-STATE-008", Verdict.FAIL)]
    assert "NFV-MEM-003" in red[0].found


def test_the_machine_is_recognised(recorded: dict[str, Any]) -> None:
    snapshot = Snapshot(recorded)
    found = fingerprint(snapshot, Case("host1", recorded_plan(snapshot, "host1"), snapshot, None).pci)  # type: ignore[arg-type]
    assert found["os"] == "Debian GNU/Linux 13 (trixie)"
    assert [(nic["address"], nic["driver"], nic["node"], nic["vfs"]) for nic in found["nics"]] == [
        ("0000:41:00.0", "igb", 0, 2), ("0000:81:00.0", "igb", 1, 4)
    ]  # fmt: skip
