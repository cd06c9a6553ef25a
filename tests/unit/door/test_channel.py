# SPDX-License-Identifier: Apache-2.0
"""The way into a guest through its agent: what travels to the host runs here, with an agent that works here as well."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfvcap.door.channel import PACKAGE, ChannelDoor, packed, server_words
from nfvcap.door.command import CommandDoor
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import ExitCode, NfvcapError

_LOAD = f"""
import base64, os, sys
f = os.memfd_create("x"); os.write(f, base64.b64decode("{packed()}")); sys.path.insert(0, "/proc/self/fd/%d" % f)
from {PACKAGE} import nfvcap_doorserver as server
from {PACKAGE}.nfvcap_command import run
from {PACKAGE}.nfvcap_failure import Failure
"""
_FAKE = (
    _LOAD
    + """
class Agent:
    def __init__(self, domain):
        self.files = {}
    def run(self, argv, timeout_s):
        if argv[0] == "refused":
            raise Failure("NFV-GUEST-011", "the agent refuses", "why", "fix")
        return run(argv, timeout_s)
    def write_file(self, path, data, mode):
        with open(path, "wb") as stream:
            stream.write(data)
        os.chmod(path, mode)
    def call(self, command, timeout_s=30, **words):
        if command == "guest-ping":
            return {}
        if command == "guest-file-open":
            self.files[1] = open(words["path"], "rb")
            return 1
        if command == "guest-file-read":
            data = self.files[1].read(1000)
            return {"buf-b64": base64.b64encode(data).decode(), "eof": len(data) < 1000}
        self.files.pop(1).close()

server.connect, server.domain, server.GuestAgent = (lambda: None), (lambda connection, name: name), Agent
server.main("vm1")
"""
)


@pytest.fixture
def door() -> Iterator[ChannelDoor]:
    with ChannelDoor("vm1", [sys.executable, "-I", "-c", _FAKE], "host1") as made:
        yield made


def test_programs_run_with_their_status_and_words(door: ChannelDoor) -> None:
    done = door.run(["sh", "-c", 'echo "$1"; echo no >&2; exit 3', "sh", "a b 'c'"], 10)
    assert (done.returncode, done.stdout, done.stderr) == (3, "a b 'c'\n", "no\n")
    with pytest.raises(NfvcapError) as refused:
        door.run(["refused"], 10)
    assert refused.value.code == "NFV-GUEST-011" and refused.value.fix == "fix"
    assert door.run(["true"], 10).ok  # and it goes on


@pytest.mark.parametrize("kind", ["channel", "command"])
def test_files_go_there_and_come_home_as_they_are(kind: str, door: ChannelDoor, tmp_path: Path) -> None:
    way: Door = door if kind == "channel" else CommandDoor("here")
    data = bytes(range(256)) * 20
    way.put(data, str(tmp_path / "there"))
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o700
    assert way.fetch(str(tmp_path / "there"), tmp_path / "home") == len(data)
    assert (tmp_path / "home").read_bytes() == data and not list(tmp_path.glob("*.part"))


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(door: ChannelDoor) -> None:
    door._send({"op": "run", "argv": ["echo", "old"], "timeout_s": 5})  # as one that was interrupted
    assert door.run(["echo", "new"], 5).stdout == "new\n"


def test_a_connection_that_is_cut_is_said_and_the_program_ends_with_its_caller() -> None:
    with ChannelDoor("vm1", [sys.executable, "-I", "-c", _FAKE], "host1") as door:
        process = door._running()
        process.kill()
        with pytest.raises(NfvcapError) as cut:
            door.run(["true"], 5)
        assert cut.value.code == "NFV-GUEST-032" and cut.value.exit_code == ExitCode.UNREACHABLE
    with ChannelDoor("vm1", [sys.executable, "-I", "-c", _FAKE], "host1") as door:
        process = door._running()
    deadline = time.monotonic() + 5
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.returncode == 0


def test_what_travels_needs_nothing_but_python_and_says_what_the_host_lacks() -> None:
    words = server_words(CommandDoor("here"), "vm1", sys.executable)
    # An isolated Python of a virtual environment has no binding of libvirt.
    with pytest.raises(NfvcapError) as lacking, ChannelDoor("vm1", words, "host1"):
        pass
    assert lacking.value.code in {"NFV-GUEST-001", "NFV-GUEST-002"}
    assert len(" ".join(words)) < 100_000  # one argument of a command has to stay below 128 KiB


def test_ssh_quotes_once_and_its_own_failure_is_no_program_s() -> None:
    # "sh -c" joins nothing, so a shell stands for ssh that hands the line on.
    way = CommandDoor("host", ("sh", "-c", 'exec sh -c "$1"', "sh"), shell=True)
    assert must(shell(way, 'printf "%s|" "$@"', "a b", "$HOME", "'"), way) == "a b|$HOME|'|"
    gone = CommandDoor("host", ("sh", "-c", "echo refused >&2; exit 255"), shell=True)
    with pytest.raises(NfvcapError) as failed:
        gone.run(["true"], 5)
    assert failed.value.code == "NFV-GUEST-032" and failed.value.why == "refused"
    with pytest.raises(NfvcapError) as failed:
        must(CommandDoor("here").run(["false"], 5), CommandDoor("here"))
    assert failed.value.code == "NFV-GUEST-030"


def test_a_missing_file_is_no_empty_file(tmp_path: Path) -> None:
    with pytest.raises(NfvcapError) as failed:
        CommandDoor("here").fetch("/nowhere", tmp_path / "x")
    assert failed.value.code == "NFV-GUEST-031" and not (tmp_path / "x").exists()


def test_old_syntax_is_enough(top: Path) -> None:
    import ast

    ast.parse((top / "plugins/module_utils/nfvcap_doorserver.py").read_text(), feature_version=(3, 9))
    assert subprocess.run([sys.executable, "-c", _LOAD], capture_output=True).returncode == 0
