# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.doctor import controller
from nfvcap.model.result import Check, Verdict


def findings() -> dict[str, Check]:
    return {check.id: check for check in controller.examine()}


def test_this_machine_runs_nfvcap() -> None:
    found = findings()
    assert {found[name].verdict for name in ("NFV-DOC-001", "NFV-DOC-002", "NFV-DOC-004")} == {Verdict.PASS}


def test_a_missing_ssh_client_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings()
    assert found["NFV-DOC-003"].verdict is Verdict.FAIL and "openssh-client" in found["NFV-DOC-003"].fix


def test_an_incomplete_installation_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(controller, "data_dir", lambda: tmp_path)
    check = findings()["NFV-DOC-004"]
    assert check.verdict is Verdict.FAIL and "playbooks/facts.yml" in check.found


def test_an_ansible_outside_the_tested_range_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller.metadata, "version", lambda _name: "2.16.3")
    assert findings()["NFV-DOC-002"].verdict is Verdict.WARN


def test_a_state_directory_that_cannot_be_written_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "state_dir", lambda: Path("/proc/nowhere"))
    assert findings()["NFV-DOC-005"].verdict is Verdict.FAIL
