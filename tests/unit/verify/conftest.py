# SPDX-License-Identifier: Apache-2.0
"""The judge at work on a snapshot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nfvcap.model.plan import HostPlan
from nfvcap.model.result import Check
from nfvcap.verify.case import Case, recorded_plan
from nfvcap.verify.session import judge
from nfvcap.verify.snapshot import Snapshot

sys.path.insert(0, str(Path(__file__).parent))  # for `import example`

Judge = Callable[[dict[str, Any], HostPlan], tuple[Check, ...]]


@pytest.fixture(scope="session")
def judged() -> Judge:
    """Judge a raw snapshot by a plan."""

    def judged(raw: dict[str, Any], plan: HostPlan) -> tuple[Check, ...]:
        snapshot = Snapshot(raw)
        return judge([Case("host1", plan, snapshot, recorded_plan(snapshot, "host1"))])["host1"]

    return judged
