# SPDX-License-Identifier: Apache-2.0
"""The module as Ansible runs it: packed, sent, started by the host's own Python."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nfvcap.model.facts import Facts
from tests.fixtures.tree import host


def ansible(top: Path, arguments: str) -> dict[str, object]:
    program = Path(sys.executable).parent / "ansible"
    argv = [
        str(program),
        "localhost",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-m",
        "nfvcap_facts",
        "-a",
        arguments,
        "--check",
    ]
    environment = {
        "PATH": f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(Path.home()),
        "ANSIBLE_CONFIG": str(top / "ansible.cfg"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
    }
    done = subprocess.run(argv, cwd=top, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answer: dict[str, object] = json.loads(done.stdout[done.stdout.index("{") :])
    return answer


def test_the_module_reads_a_planted_tree_in_check_mode(top: Path, tmp_path: Path) -> None:
    machine = host("ixgbe", tmp_path)
    answer = ansible(
        top, json.dumps({"root": str(tmp_path), "kernel_modules": ["vfio-pci"], "files": ["/etc/os-release"]})
    )
    assert answer["changed"] is False
    facts = Facts.model_validate(answer["nfvcap_facts"])
    assert facts.kernel_modules == ("vfio_pci",)
    assert facts.cmdline == machine.facts().cmdline
    assert [nic.address for nic in facts.nics] == [nic.address for nic in machine.facts().nics]
    assert facts.files["/etc/os-release"] is not None


@pytest.mark.parametrize("folder", ["module_utils", "modules"])
def test_code_for_hosts_is_python_3_9(top: Path, folder: str) -> None:
    for path in sorted((top / "plugins" / folder).glob("*.py")):
        text = path.read_text()
        ast.parse(text, str(path), feature_version=(3, 9))
        assert "from __future__ import annotations" in text, f"{path.name}: `X | None` needs it on Python 3.9"
        assert not re.search(r"^\s*match \S+:$|strict=(True|False)\)|isinstance\([^)]*\|", text, re.M), path.name


def test_code_for_hosts_needs_no_ansible(top: Path) -> None:
    """The boot units use the same files without Ansible around."""
    for path in sorted((top / "plugins" / "module_utils").glob("nfvcap_*.py")):
        assert not re.search(r"^\s*(from|import) (ansible|nfvcap)\b", path.read_text(), re.M), path.name
