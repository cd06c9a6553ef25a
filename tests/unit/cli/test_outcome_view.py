# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import click

from nfvcap.apply.provision import HostRun
from nfvcap.cli.outcome_view import render
from nfvcap.errors import ExitCode, NfvcapError


def test_each_host_has_a_line_and_each_error_is_told_once() -> None:
    crash = NfvcapError("NFV-RUN-007", "ansible ended early", fix="look at the log")
    away = NfvcapError("NFV-SSH-001", "cannot reach d", exit_code=ExitCode.UNREACHABLE)
    runs = [
        HostRun("a", changes=3, rebooted=True),
        HostRun("b", error=crash),
        HostRun("c", error=crash),
        HostRun("d", error=away),
        HostRun("e", interrupted=True),
        HostRun("f", changes=1, pending=True),
        HostRun("g"),
    ]
    lines = [click.unstyle(line) for line in render(runs)]
    assert lines[:7] == [
        "a  ok           3 changes applied, rebooted once",
        "b  failed       NFV-RUN-007",
        "c  failed       NFV-RUN-007",
        "d  unreachable  NFV-SSH-001",
        "e  interrupted  run the same command again: it goes on where the host stands now",
        "f  pending      1 change not applied",
        "g  ok           nothing to change",
    ]
    assert sum("look at the log" in line for line in lines) == 1
