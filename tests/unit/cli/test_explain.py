# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Nfvcap = Callable[..., "subprocess.CompletedProcess[str]"]


def test_explain_by_what_people_type(nfvcap: Nfvcap) -> None:
    done = nfvcap("explain", "run-2", "NFV-SSH-003")
    assert done.returncode == 0 and done.stderr == ""
    assert "NFV-RUN-002  A command did not end" in done.stdout and "NFV-SSH-003" in done.stdout
    assert "\x1b" not in done.stdout


def test_an_unknown_id_names_near_ones_and_is_a_usage_error(nfvcap: Nfvcap) -> None:
    done = nfvcap("explain", "NFV-RUN-999")
    assert done.returncode == 2 and done.stdout == ""
    assert "did you mean NFV-RUN-001" in done.stderr


def test_list_as_json(nfvcap: Nfvcap) -> None:
    done = nfvcap("explain", "--list", "--format", "json")
    entries = json.loads(done.stdout)
    assert {"id", "title", "why", "fix"} == set(entries[0]) and len(entries) > 15


def test_nothing_asked_is_a_usage_error(nfvcap: Nfvcap) -> None:
    assert nfvcap("explain").returncode == 2
