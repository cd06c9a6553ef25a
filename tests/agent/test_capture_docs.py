# SPDX-License-Identifier: Apache-2.0
"""The documents say what the program does: the README's first command, the manual's options, the unit file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agent.support import Agent


def test_the_first_commands_of_the_readme(agent: Agent, agent_source: Path, memory_dir: Path) -> None:
    lines = (agent_source / "README.md").read_text().splitlines()
    at = next(number for number, x in enumerate(lines) if "capture --port vdev" in x)
    line, looks = lines[at], lines[at + 1].replace("/dev/shm", str(memory_dir))
    words = shlex.split(line.replace("/dev/shm/first.pcap", str(memory_dir / "first.pcap")))
    assert words[words.index("--duration") + 1] == "10"
    words[words.index("--duration") + 1] = "0.5"
    done = subprocess.run([str(agent.binary), *words[1:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # Wireshark's window takes one file, and says so when there are more.
    opened = subprocess.run(
        ["bash", "-c", f'wireshark() {{ printf "%s\\n" "$@"; }}; {looks}'], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(opened) == 1 and Path(opened[0]) in memory_dir.iterdir()
    read = ["tshark", "-c", "5", "-r", opened[0]]
    assert len(subprocess.run(read, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()) == 5


def test_help_and_manual_name_the_same_options(agent: Agent, agent_source: Path) -> None:
    manual = (agent_source / "man" / "nfvcap-agent-capture.1").read_text().replace("\\-", "-")
    shown = agent.run("capture", "--help").stdout
    options = set(re.findall(r"--([a-z][a-z-]+)", shown))
    assert options - {"fail-on-loss"} <= set(re.findall(r"--([a-z][a-z-]+)", manual))


def test_the_unit_is_understood(agent_source: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = (agent_source / "systemd" / "nfvcap-agent@.service").read_text()
    copy = tmp_path / "nfvcap-agent@.service"
    copy.write_text(unit.replace("/usr/local/bin/nfvcap-agent", "/bin/true").replace("Documentation=", "#"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr
