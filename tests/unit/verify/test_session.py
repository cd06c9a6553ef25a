# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import example

from nfvcap.model.result import Verdict


def test_a_host_as_planned_passes_every_check(judged) -> None:
    checks = judged(example.raw(), example.plan())
    assert [
        (c.id, c.subject, c.verdict.value, c.found, c.reason) for c in checks if c.verdict is not Verdict.PASS
    ] == []
