# SPDX-License-Identifier: Apache-2.0
"""What all changing modules share: one at a time, but for those whose work is nobody else's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible.module_utils.nfvcap_conclude import conclude
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_lock import HostLock
from ansible.module_utils.nfvcap_outcome import Outcome


class Ended(Exception):
    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(str(result))
        self.result = result


class Module:
    """What conclude uses of an AnsibleModule."""

    def __init__(self, root: Path, check_mode: bool = False) -> None:
        (root / "run/lock").mkdir(parents=True, exist_ok=True)
        self.params, self.check_mode = {"root": str(root)}, check_mode

    def exit_json(self, **result: Any) -> NoReturn:
        raise Ended(result)

    def fail_json(self, **result: Any) -> NoReturn:
        raise Ended({**result, "failed": True})


def run(module: Module, work: Any, **options: Any) -> dict[str, Any]:
    with pytest.raises(Ended) as ended:
        conclude(module, "nfvcap_x", work, **options)
    return ended.value.result


def one_change(_host: Host, outcome: Outcome, check: bool) -> None:
    outcome.add("x", 1, 2)
    outcome.extra["check"] = check


def test_one_at_a_time(tmp_path: Path) -> None:
    module = Module(tmp_path)
    with HostLock(Host(str(tmp_path)), "somebody else"):
        refused = run(module, one_change, wait_s=0.1)
    assert refused["failed"] and refused["nfvcap_error"]["code"] == "NFV-LEDGER-001"
    assert "somebody else" in refused["msg"] and refused["changed"] is False
    assert run(module, one_change, wait_s=0.1)["changed"] is True


def test_work_that_takes_its_time_keeps_nobody_waiting_and_waits_for_nobody(tmp_path: Path) -> None:
    def shutdown(host: Host, outcome: Outcome, check: bool) -> None:
        with HostLock(host, "another", wait_s=0):
            one_change(host, outcome, check)

    module = Module(tmp_path)
    with HostLock(Host(str(tmp_path)), "somebody else"):
        assert run(module, one_change, locks=False)["changed"] is True
    assert run(module, shutdown, locks=False)["changed"] is True


def test_check_mode_needs_no_lock(tmp_path: Path) -> None:
    with HostLock(Host(Module(tmp_path).params["root"]), "somebody else"):
        assert run(Module(tmp_path, check_mode=True), one_change)["check"] is True


def test_a_failure_is_told_with_its_parts(tmp_path: Path) -> None:
    def fails(_host: Host, outcome: Outcome, _check: bool) -> None:
        outcome.begun = True
        raise Failure("NFV-X-001", "what", "why", "fix")

    failed = run(Module(tmp_path), fails)
    assert failed["changed"] is True and failed["nfvcap_error"] == {
        "code": "NFV-X-001", "what": "what", "why": "why", "fix": "fix",
    }  # fmt: skip
