# SPDX-License-Identifier: Apache-2.0
"""``nfvcap/result/1``: the verdict on hosts: every check with what was found and wanted, every measurement."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nfvcap.errors import ExitCode, worst
from nfvcap.model.base import Model
from nfvcap.model.measurement import Measurement
from nfvcap.model.verdict import Verdict

__all__ = ["SCHEMA", "Check", "HostResult", "Result", "Verdict"]

SCHEMA: Literal["nfvcap/result/1"] = "nfvcap/result/1"


_EXIT = {
    Verdict.FAIL: ExitCode.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.ERROR: ExitCode.INTERNAL,
}


class Check(Model):
    id: str  # catalogue id: NFV-STATE-...
    subject: str  # what was looked at: "node1 2 MiB", "0000:81:00.0 vf2"; "" when there is only one
    title: str
    verdict: Verdict
    found: str
    wanted: str
    fix: str
    reason: str = ""  # why it was skipped or could not be judged
    duration_s: float = 0.0


class HostResult(Model):
    host: str
    environment: dict[str, Any]  # fingerprint: kernel, cpu, NICs with driver and firmware, command line
    checks: tuple[Check, ...]
    # Why the host could not be judged at all: 6 unreachable, 2 may not be read. Its one check then tells the rest.
    blocked: ExitCode | None = None
    fingerprint: str = ""  # digest of what decides whether two results may be compared
    measurements: tuple[Measurement, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        if self.blocked is not None:
            return self.blocked
        return worst(*(_EXIT.get(check.verdict, ExitCode.OK) for check in self.checks))


class Result(Model):
    schema_: Literal["nfvcap/result/1"] = Field(default=SCHEMA, alias="schema")
    nfvcap_version: str
    created_at: str
    hosts: tuple[HostResult, ...]

    @property
    def exit_code(self) -> ExitCode:
        return worst(*(host.exit_code for host in self.hosts))
