# SPDX-License-Identifier: Apache-2.0
"""The documents say what the program does: the README's first command, the manual's options, the unit file."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from nfvcap.agent.build import PROGRAM, RELEASE
from tests.agent.build import built
from tests.agent.support import Agent

UNIT = "usr/local/lib/systemd/system/nfvcap-agent@.service"


@pytest.mark.parametrize(
    "seconds", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)  # fmt: skip
def test_the_readmes_first_file_spans_the_whole_time(
    agent: Agent, agent_source: Path, memory_dir: Path, seconds: int
) -> None:
    """As it stands but for the place, and daily for one second of the ten; a busy machine may end it late."""
    lines = (agent_source / "README.md").read_text().split("## Ten seconds into a file")[1].splitlines()
    line, looks = next((x, y) for x, y in pairwise(lines) if "capture --port vdev" in x)
    words = shlex.split(line.replace("/dev/shm", str(memory_dir)))
    (path,) = shlex.split(looks.replace("/dev/shm", str(memory_dir)))[1:]
    at = words.index("--duration") + 1
    assert words[at] == "10"
    words[at] = str(seconds)
    done = subprocess.run([str(agent.binary), *words[1:]], capture_output=True, text=True, timeout=seconds + 60)
    assert done.returncode == 0, done.stderr
    assert [entry.name for entry in memory_dir.iterdir()] == [Path(path).name]
    infos = subprocess.run(["capinfos", "-Tmrcu", path], capture_output=True, text=True, check=True, timeout=120)
    _, packets, span_s = infos.stdout.strip().split(",")
    assert int(packets) > 1000 * seconds and 0.9 * seconds < float(span_s) < seconds + 2, infos.stdout
    assert Path(path).stat().st_size < 100 * seconds << 20


def test_the_first_commands_of_the_readme(agent: Agent, agent_source: Path, memory_dir: Path) -> None:
    lines = (agent_source / "README.md").read_text().splitlines()
    at = next(number for number, x in enumerate(lines) if "capture --port vdev" in x and "first.pcap" in x)
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


@pytest.fixture(scope="module")
def installed(agent_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `meson install --destdir` leaves there."""
    where = tmp_path_factory.mktemp("installed")
    with built(agent_source, RELEASE, [f"src/{PROGRAM}"]) as work:
        command = ["meson", "install", "-C", str(work), "--no-rebuild", "--destdir", str(where)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return where


def test_program_manuals_and_unit_are_installed(installed: Path, agent_source: Path) -> None:
    there = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    pages = {f"usr/local/share/man/man1/{page.name}" for page in (agent_source / "man").glob("*.1")}
    assert len(pages) == 6
    assert there == {f"usr/local/bin/{PROGRAM}", UNIT, *pages}
    said = subprocess.run([str(installed / "usr/local/bin" / PROGRAM), "--version"], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.startswith("nfvcap-agent ")
    readme = (agent_source / "README.md").read_text()
    for place in ("/usr/local/bin", "/usr/local/share/man/man1", "/usr/local/lib/systemd/system"):
        assert f"`{place}`" in readme


def test_the_unit_is_understood(installed: Path, tmp_path: Path, agent: Agent) -> None:
    unit = (installed / UNIT).read_text()
    command = unit.split("ExecStart=")[1].split("\n")[0]
    assert command.startswith(f"/usr/local/bin/{PROGRAM} capture ") and "@" not in command
    shown = agent.run("capture", "--help").stdout
    assert all(option in shown for option in re.findall(r"--[a-z-]+", command))
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / "nfvcap-agent@.service"
    copy.write_text(unit.replace(f"/usr/local/bin/{PROGRAM}", "/bin/true").replace("Documentation=", "#"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr


def test_the_readme_tells_what_the_unit_does(installed: Path, agent_source: Path) -> None:
    unit = (installed / UNIT).read_text()
    told = (agent_source / "README.md").read_text().split("## Install it")[1].split("\n## ")[0]
    capabilities = re.findall(r"CAP_([A-Z_]+)", unit.split("\nCapabilityBoundingSet=")[1].split("\n")[0])
    assert sorted(re.findall(r"`([A-Z]+_[A-Z]+|BPF)`", told)) == sorted(capabilities)
    settings = [
        "Type=notify",
        "ProtectSystem=strict",
        "MemoryMax=8G",
        "NoNewPrivileges=yes",
        "MemoryDenyWriteExecute=no",
        "WatchdogSec=30",
        "RestartPreventExitStatus=2",
        "TimeoutStopSec=60",
        "RestartSec=2",
    ]
    for setting in settings:
        assert f"\n{setting}\n" in unit, setting
    for word in ("ProtectSystem=strict", "Type=notify", "MemoryMax", "READY=1", "WATCHDOG=1", "STOPPING=1", "30 s"):
        assert word in told, word
    paths = re.findall(r"^(?:ReadWritePaths|StateDirectory)=(\S+)$", unit, re.M)
    assert all(path.rsplit("/", 1)[-1] in told for path in paths)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up")
@pytest.mark.parametrize("port", ["vdev:net_null0,size=64", "af_packet:lo"])
def test_the_units_capabilities_suffice(installed: Path, agent: Agent, tmp_path: Path, port: str) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    names = (installed / UNIT).read_text().split("\nCapabilityBoundingSet=")[1].split("\n")[0].lower().split()
    kept = ",".join("+" + name.removeprefix("cap_") for name in names)
    wish = f"--port {port} --write {tmp_path}/x.pcap --duration 0.3 --rotate-size 1M --max-files 2 --json --quiet"
    limits = ["setpriv", "--no-new-privs", "--bounding-set", f"-all,{kept}"]
    command = [*limits, str(agent.binary), "capture", *wish.split()]
    with tempfile.TemporaryDirectory() as run:  # short: a socket goes there
        environment = {**os.environ, "RUNTIME_DIRECTORY": run}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr


def test_the_drop_in_for_guests_without_an_iommu_adds_what_the_kernel_wants(
    installed: Path, agent_source: Path, tmp_path: Path
) -> None:
    """The README's commands, elsewhere; the unit's comment and the manual say the same line."""
    line = "CapabilityBoundingSet=CAP_SYS_RAWIO CAP_SYS_ADMIN"
    unit, manual = (installed / UNIT).read_text(), (agent_source / "man" / "nfvcap-agent-capture.1").read_text()
    assert f"#   {line}\n" in unit and f"\n{line}\n" in manual
    readme = (agent_source / "README.md").read_text()
    commands = [x for x in readme.splitlines() if "/etc/systemd/system/nfvcap-agent@.service.d" in x]
    script = "\n".join(commands).replace("/etc/systemd/system", str(tmp_path))
    subprocess.run(["bash", "-ec", script], check=True)
    (drop_in,) = tmp_path.glob("nfvcap-agent@.service.d/*.conf")
    assert drop_in.read_text() == f"[Service]\n{line}\n"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "nfvcap-agent@.service").write_text(unit.replace(f"/usr/local/bin/{PROGRAM}", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "nfvcap-agent@.service")],
        capture_output=True,
        text=True,
    )
    assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr
