# SPDX-License-Identifier: Apache-2.0
"""What ssh, sudo, Python and modules say becomes an explained error with the right exit code."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcap.apply.events import Status, TaskEnded
from nfvcap.apply.failures import explain
from nfvcap.errors import ExitCode


def ended(status: Status, data: dict[str, Any], action: str = "nfvcap_sriov", role: str = "sriov") -> TaskEnded:
    return TaskEnded("host1", role, "Create VFs", action, status, False, 0.1, data)


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "NFV-SSH-001", "ansible_host"),
        ("Host key verification failed.", "NFV-SSH-002", "ssh host1"),
        ("root@192.0.2.1: Permission denied (publickey).", "NFV-SSH-003", "ssh-add"),
        ("ssh: Could not resolve hostname hsot1: Name or service not known", "NFV-SSH-004", "ansible_host of host1"),
        ("Failed to create temporary directory. In some cases, …", "NFV-SSH-006", "free space"),
    ],
)
def test_a_host_that_cannot_be_reached(said: str, code: str, hint: str) -> None:
    error = explain(ended(Status.UNREACHABLE, {"msg": said}))
    assert (error.code, error.exit_code) == (code, ExitCode.UNREACHABLE)
    assert hint in error.fix and said.strip() in error.why


def test_the_proposed_command_names_the_inventory_in_use() -> None:
    said = ended(Status.UNREACHABLE, {"msg": "ssh: connect to host 192.0.2.1 port 22: Connection refused"})
    assert "ansible -i my.yml host1 -m ansible.builtin.ping" in explain(said, "-i my.yml").fix


def test_our_own_modules_explain_themselves() -> None:
    own = {"code": "NFV-SRIOV-003", "what": "a guest holds VF 2", "why": "vm1 runs", "fix": "shut it down"}
    error = explain(ended(Status.FAILED, {"msg": "ignored", "nfvcap_error": own}))
    assert (error.code, error.what) == ("NFV-SRIOV-003", "host1: a guest holds VF 2")
    assert (error.why, error.fix, error.exit_code) == ("vm1 runs", "shut it down", ExitCode.CHECK_FAILED)


@pytest.mark.parametrize("said", ["Missing sudo password", "sudo: a password is required"])
def test_no_way_to_become_root(said: str) -> None:
    error = explain(ended(Status.FAILED, {"msg": said}))
    assert (error.code, error.exit_code) == ("NFV-SSH-005", ExitCode.UNREACHABLE)


def test_no_python() -> None:
    data = {"msg": "MODULE FAILURE", "rc": 127, "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\n"}
    error = explain(ended(Status.FAILED, data))
    assert (error.code, error.exit_code) == ("NFV-SSH-007", ExitCode.UNREACHABLE)


@pytest.mark.parametrize(("rebooted", "code"), [(True, "NFV-BOOT-102"), (False, "NFV-BOOT-101")])
def test_a_reboot_that_fails_before_or_after_the_host_went_down(rebooted: bool, code: str) -> None:
    data = {"msg": "Timed out waiting for last boot time check (timeout=1200)", "rebooted": rebooted}
    error = explain(ended(Status.FAILED, data, "ansible.builtin.reboot", ""))
    assert error.code == code and "1200" in error.why


def test_any_other_failure_names_the_step_and_shows_what_was_said() -> None:
    data = {
        "msg": "One or more items failed",
        "items": ["no such package"],
        "module_stderr": "Traceback\nValueError: x",
    }
    error = explain(ended(Status.FAILED, data))
    assert error.code == "NFV-RUN-008" and "sriov: Create VFs" in error.what
    assert "no such package" in error.why and "ValueError: x" in error.why
