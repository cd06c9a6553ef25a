# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from nfvcap.apply import deprovision
from nfvcap.apply.ansible import Outcome, Target
from nfvcap.apply.events import Status, TaskEnded
from nfvcap.model.facts import Facts
from tests.unit.planner import machines

LEDGER = {
    "schema": "nfvcap/ledger/1",
    "entries": {
        "kernel-args": {"kind": "kernel-args", "before": "quiet", "recorded_at": "2026-01-01T00:00:00Z"},
        "file:/etc/x": {"kind": "file", "before": None, "recorded_at": "2026-01-01T00:00:01Z"},
    },
}


def facts(ledger: Any) -> dict[str, Any]:
    return machines.document(machines.lab_spec()) | {"ledger": ledger}


def test_the_last_change_is_undone_first() -> None:
    entries = deprovision.originals(Facts.model_validate(facts(LEDGER)))
    assert [entry.id for entry in entries] == ["file:/etc/x", "kernel-args"]
    assert deprovision.touches_boot(entries) and not deprovision.touches_boot(entries[:1])


def test_a_host_without_a_ledger_has_nothing_to_undo() -> None:
    assert deprovision.originals(Facts.model_validate(facts(None))) == ()


def test_what_is_left_in_the_ledger_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def results(host: str, ledger: Any, **undone: Any) -> list[TaskEnded]:
        return [
            TaskEnded(host, "", "Undo", "nfvcap_restore_state", Status.CHANGED, False, 0.1, undone),
            TaskEnded(host, "", "Read", "nfvcap_facts", Status.OK, False, 0.1, {"nfvcap_facts": facts(ledger)}),
        ]

    outcome = Outcome(
        results=[
            *results("a", None, reboot_required=True, left_packages=["ovmf"]),
            *results("b", LEDGER, reboot_required=True),
            *results("c", None, reboot_required=False, left_packages=[]),
        ]
    )
    monkeypatch.setattr(deprovision, "run_playbooks", lambda *_args, **_options: outcome)
    target = Target.__new__(Target)
    object.__setattr__(target, "hosts", ("a", "b", "c"))
    done = deprovision.restore(target, False, lambda _event: None, "bob@control")
    assert done.wanting == ("a",) and done.left_packages == {"a": ("ovmf",)}
    assert set(done.failures) == {"b"} and "file:/etc/x" in done.failures["b"].why
