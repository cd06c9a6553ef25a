# SPDX-License-Identifier: Apache-2.0
"""A lab server for the whole test session, and the command line as a user types it.

The files of this folder run in the order of their names' numbers: each says in which state it takes the lab over and
in which it leaves it, because a boot of the emulated machine costs a minute.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nfvcap.lab import Lab
from nfvcap.lab.topology import PORTS
from tests.lab.host import Host

# Another name lets work on single tests go on beside a lab that somebody else keeps.
LAB_NAME = os.environ.get("NFVCAP_TEST_LAB_NAME", "test")
HOST = "host1"
FIRST_PF = PORTS[0].address
PROVISIONED = pytest.StashKey[bool]()
"""Is the server known to be as :func:`provisioned_lab` leaves it? A file that changes that for a while says so."""


@dataclass(frozen=True)
class Controller:
    """Runs ``nfvcap`` against the lab's inventory."""

    top: Path
    inventory: Path

    def argv(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).parent / "nfvcap"), *words, "-i", str(self.inventory)]

    def __call__(self, *words: str, expect: int | tuple[int, ...] = 0, timeout_s: float = 600) -> str:
        """Run a verb to its end; returns standard output, fails with everything it said on another exit code."""
        done = self._run(words, timeout_s)
        codes = (expect,) if isinstance(expect, int) else expect
        assert done.returncode in codes, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _run(self, words: tuple[str, ...], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """One that does not end in time says, before it is killed, in which line each of its threads is."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(
                self.argv(*words), cwd=self.top, stdout=out, stderr=err, env={**os.environ, "PYTHONFAULTHANDLER": "1"}
            )
            late = False
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                late = True
                process.send_signal(signal.SIGABRT)
                time.sleep(5)
            finally:
                process.kill()
                process.wait()
            out.seek(0)
            err.seek(0)
            done = subprocess.CompletedProcess(process.args, process.returncode, out.read(), err.read())
        if late:
            pytest.fail(f"{words} has not ended within {timeout_s} s:\n{done.stdout[-2000:]}\n{done.stderr[-12000:]}")
        return done

    def failing(self, *words: str, expect: int | tuple[int, ...], timeout_s: float = 600) -> str:
        """Run a verb that has to fail with one of these exit codes; returns all that it said."""
        done = self._run(words, timeout_s)
        codes = (expect,) if isinstance(expect, int) else expect
        assert done.returncode in codes, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, expect: int | tuple[int, ...] = 0) -> Any:
        return json.loads(self(*words, "--format", "json", expect=expect))

    def kill_at(self, boundary: str, *words: str, timeout_s: float = 600) -> list[str]:
        """Start a verb and SIGKILL it as soon as its progress says so: ``"facts ok"``, ``"boot …"`` (begins)."""
        stage, mark = boundary.split()
        named = re.compile(rf"\s*{HOST}\s+{stage}\s+{mark}")
        process = subprocess.Popen(
            self.argv(*words), cwd=self.top, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        lines: list[str] = []
        watchdog = subprocess.Popen(["sleep", str(timeout_s)], start_new_session=True)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                if named.match(line):
                    break
                assert watchdog.poll() is None, "not seen in time:\n" + "\n".join(lines)
            else:
                pytest.fail("the verb ended before the moment to kill it came:\n" + "\n".join(lines))
        finally:
            watchdog.kill()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return lines

    def kill_when(self, reached: Callable[[], bool], *words: str, timeout_s: float = 300) -> None:
        """Start a verb and SIGKILL it as soon as the host is in a state; fails when the verb ends before that."""
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                self.argv(*words), cwd=self.top, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
            deadline = time.monotonic() + timeout_s
            try:
                while not reached():
                    if process.poll() is not None or time.monotonic() > deadline:
                        said.seek(0)
                        pytest.fail(f"the moment to kill {words} was not seen:\n{said.read()}")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def playbook(self, name: str, plan: Path, *words: str, timeout_s: float = 900) -> dict[str, int]:
        """Run a playbook without the command line, as any Ansible controller would; returns the host's recap."""
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory), "-e", f"@{plan}",
                str(self.top / "playbooks" / name), *words,
            ],
            cwd=self.top, capture_output=True, text=True, timeout=timeout_s, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(self.top / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        recap = [line for line in done.stdout.splitlines() if line.startswith(HOST) and "ok=" in line]
        assert recap, done.stdout[-4000:] + done.stderr[-2000:]
        counts = {key: int(value) for key, value in (word.split("=") for word in recap[-1].split() if "=" in word)}
        assert counts["failed"] == 0 and counts["unreachable"] == 0, done.stdout[-6000:]
        return counts

    def module(self, name: str, **parameters: Any) -> str:
        """Run one of our modules on the host by ``ansible``; returns all that it said."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible"), "-i", str(self.inventory), HOST, "--become", "-m", name,
             "-a", json.dumps(parameters)],
            cwd=self.top, capture_output=True, text=True, timeout=600, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(self.top / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A booted lab server that started from the pristine disk.

    NFVCAP_TEST_LAB=keep takes over the lab of an earlier run as it is and leaves it running, for work on single tests.
    """
    machine, keep = Lab(LAB_NAME), os.environ.get("NFVCAP_TEST_LAB") == "keep"
    machine.up(reset=not keep)
    yield machine
    if not keep:
        machine.down()


@pytest.fixture(scope="session")
def inventory(top: Path, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped lab inventory, pointed at the lab of the tests."""
    path = tmp_path_factory.mktemp("inventory") / "lab.yml"
    write_inventory(top, lab, path, all_pfs=True)
    return path


def write_inventory(top: Path, lab: Lab, path: Path, *, all_pfs: bool) -> None:
    document = yaml.safe_load((top / "inventory" / "lab.yml").read_text())
    host = document["all"]["hosts"][HOST]
    host |= lab.ansible_vars()
    # Some rules need it, and it is an argument of the kernel: test_60_mirror would have to reboot twice.
    host["nfvcap"]["mirror"] = {"registers": True}
    if not all_pfs:
        host["nfvcap"]["pfs"] = [pf for pf in host["nfvcap"]["pfs"] if pf["pf"] != FIRST_PF]
    path.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="session")
def nfvcap(top: Path, inventory: Path) -> Controller:
    return Controller(top, inventory)


@dataclass(frozen=True)
class ProvisionedLab:
    """A lab server on which ``provision`` has succeeded."""

    lab: Lab
    nfvcap: Controller

    @property
    def inventory(self) -> Path:
        return self.nfvcap.inventory

    def ssh(self, argv: list[str], **options: Any) -> Any:
        return self.lab.ssh(argv, **options)


@pytest.fixture(scope="module")
def provisioned_lab(request: pytest.FixtureRequest, lab: Lab, nfvcap: Controller) -> ProvisionedLab:
    """Each file leaves the lab provisioned. Where that is not sure, at first and behind a failure, it is done again."""
    session = request.session
    if session.testsfailed or not session.stash.get(PROVISIONED, False):
        nfvcap("provision", HOST, "--yes", "--reboot", "auto", timeout_s=900)
        session.stash[PROVISIONED] = True
    return ProvisionedLab(lab, nfvcap)


@pytest.fixture(scope="session")
def host(lab: Lab) -> Host:
    return Host(lab)


@pytest.fixture(scope="session")
def pristine(host: Host) -> dict[str, str]:
    """What the server was before anything was done to it; asked for by the very first test."""
    return host.fingerprint()
