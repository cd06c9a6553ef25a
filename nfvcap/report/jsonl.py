# SPDX-License-Identifier: Apache-2.0
"""JSON lines: one message per line for programs that follow along; the first names the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nfvcap.model.result import Result
from nfvcap.report.tally import counts, exit_code, sentence

SCHEMA = "nfvcap/verify-events/1"


def lines(result: Result, *, strict: bool = False) -> Iterator[str]:
    """``begin``, then for each host its ``check`` lines and one ``host`` line, and ``end`` with the exit code."""
    yield _line(event="begin", schema=SCHEMA, nfvcap_version=result.nfvcap_version, created_at=result.created_at)
    for host in result.hosts:
        for check in host.checks:
            yield _line(event="check", host=host.host, **check.model_dump(mode="json"))
        numbers = {str(verdict): count for verdict, count in sorted(counts(host.checks).items())}
        yield _line(
            event="host", host=host.host, environment=host.environment, counts=numbers, exit_code=int(host.exit_code)
        )
    yield _line(event="end", exit_code=int(exit_code(result, strict)), summary=sentence(result, strict))


def _line(**fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False)
