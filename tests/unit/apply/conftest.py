# SPDX-License-Identifier: Apache-2.0
"""Real playbooks against this machine: no ssh, no root, nothing changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nfvcap.apply.ansible import Target
from nfvcap.apply.rundir import new_run_dir

INVENTORY = """
all:
  hosts:
    good: {{ansible_connection: local, ansible_python_interpreter: {python}}}
    bad: {{ansible_connection: local, ansible_python_interpreter: {python}, broken: true}}
    away: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1, ansible_ssh_common_args: "-F none"}}
"""


@pytest.fixture
def target(tmp_path: Path) -> Callable[..., Target]:
    """``target("good", "away")``: those hosts, logs under the test's own directory."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.format(python=sys.executable))

    def make(*hosts: str) -> Target:
        return Target((inventory,), hosts, new_run_dir("test", tmp_path))

    return make


@pytest.fixture
def playbook(tmp_path: Path) -> Callable[[str], str]:
    """``playbook("- ping:")``: path of a playbook with these tasks for all hosts."""

    def write(tasks: str) -> str:
        path = tmp_path / "trial.yml"
        body = "\n".join(f"    {line}" for line in tasks.strip().splitlines())
        path.write_text(f"- name: Trial\n  hosts: all\n  gather_facts: false\n  tasks:\n{body}\n")
        return str(path)

    return write
