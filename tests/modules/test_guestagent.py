# SPDX-License-Identifier: Apache-2.0
"""The guest agent's protocol, against an agent that does here what the real one does in its guest.

Forms of the answers: QEMU guest agent 10.0.13 in the lab's guest.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_guestagent import GuestAgent

INTERFACES = [
    {
        "name": "lo", "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}],
    },
    {
        "name": "eth0", "hardware-address": "02:00:00:81:00:05",
        "statistics": {"rx-packets": 12, "tx-packets": 5, "rx-dropped": 3, "rx-bytes": 1200},
    },
]  # fmt: skip


class LibvirtError(Exception):
    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code

    def get_error_code(self) -> int:
        return self.code


class Guest:
    """A running guest of libvirt with an agent; programs and files are this machine's."""

    def __init__(self) -> None:
        self.silent_s = 0  # calls without an answer before the first answer
        self.words = "Guest agent is not responding"
        self.forbidden: set[str] = set()
        self.done: dict[int, Any] = {}
        self.files: dict[int, Any] = {}

    def name(self) -> str:
        return "vm1"

    def isActive(self) -> bool:
        return True

    def answer(self, words: str) -> str:
        if self.silent_s:
            self.silent_s -= 1
            raise LibvirtError(86, self.words)
        request = json.loads(words)
        if request["execute"] in self.forbidden:
            raise LibvirtError(1, "unable to execute QEMU agent command: Command has been disabled")
        do = getattr(self, request["execute"].replace("-", "_"))
        return json.dumps(
            {"return": do(**{key.replace("-", "_"): v for key, v in request.get("arguments", {}).items()})}
        )

    def guest_ping(self) -> dict[str, Any]:
        return {}

    def guest_network_get_interfaces(self) -> list[dict[str, Any]]:
        return INTERFACES

    def guest_exec(self, path: str, arg: list[str], capture_output: bool, input_data: str = "") -> dict[str, Any]:
        done = subprocess.run([path, *arg], input=base64.b64decode(input_data), capture_output=True, check=False)
        self.done[len(self.done) + 1] = done
        return {"pid": len(self.done)}

    def guest_exec_status(self, pid: int) -> dict[str, Any]:
        done = self.done[pid]
        texts = {"out-data": done.stdout, "err-data": done.stderr}
        said = {key: base64.b64encode(text).decode() for key, text in texts.items() if text}
        return {"exited": True, "exitcode": done.returncode, **said}

    def guest_file_open(self, path: str, mode: str) -> int:
        self.files[1000] = Path(path).open(mode + "b")  # noqa: SIM115 - as long as the guest's handle
        return 1000

    def guest_file_read(self, handle: int, count: int) -> dict[str, Any]:
        data = self.files[handle].read(count)
        return {"count": len(data), "buf-b64": base64.b64encode(data).decode(), "eof": len(data) < count}

    def guest_file_write(self, handle: int, buf_b64: str) -> dict[str, Any]:
        assert len(buf_b64) <= 64 * 1024, "the real agent in the lab's guest does not answer to much more"
        return {"count": self.files[handle].write(base64.b64decode(buf_b64)), "eof": False}

    def guest_file_close(self, handle: int) -> dict[str, Any]:
        self.files.pop(handle).close()
        return {}


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    library: Any = types.ModuleType("libvirt")
    library.libvirtError, library.VIR_ERR_INTERNAL_ERROR = LibvirtError, 1
    library.registerErrorHandler = lambda _handler, _context: None
    qemu: Any = types.ModuleType("libvirt_qemu")
    qemu.qemuAgentCommand = lambda domain, words, _timeout_s, _flags: domain.answer(words)
    monkeypatch.setitem(sys.modules, "libvirt", library)
    monkeypatch.setitem(sys.modules, "libvirt_qemu", qemu)
    monkeypatch.setattr("time.sleep", lambda _s: None)
    yield Guest()


def test_a_program_with_its_output_and_its_status(guest: Guest) -> None:
    done = GuestAgent(guest).run(["sh", "-c", "cat; echo no >&2; exit 3"], stdin=b"in")
    assert (done.status, done.stdout, done.stderr) == (3, "in", "no\n")


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 700_000])
def test_a_file_comes_back_as_it_was(guest: Guest, tmp_path: Path, size: int) -> None:
    path, data = tmp_path / "file", bytes(number % 251 for number in range(size))
    agent = GuestAgent(guest)
    agent.write_file(str(path), data, mode=0o700)
    assert path.read_bytes() == data and path.stat().st_mode & 0o777 == 0o700
    assert agent.read_file(str(path)) == data
    assert guest.files == {} and [one.name for one in tmp_path.iterdir()] == ["file"]


def test_interfaces_without_the_loopback(guest: Guest) -> None:
    (interface,) = GuestAgent(guest).interfaces()
    assert (interface["name"], interface["mac"], interface["addresses"]) == ("eth0", "02:00:00:81:00:05", [])
    assert interface["packets"] == {"received": 12, "sent": 5, "dropped": 3}


def test_an_agent_that_may_not_run_programs_still_tells_interfaces(guest: Guest) -> None:
    guest.forbidden = {"guest-exec"}
    assert [one["pci"] for one in GuestAgent(guest).interfaces()] == [None]
    with pytest.raises(Failure) as caught:
        GuestAgent(guest).run(["true"])
    assert caught.value.code == "NFV-GUEST-011" and "disabled" in caught.value.why


def test_a_guest_that_is_too_busy_for_the_greeting_is_asked_again(guest: Guest) -> None:
    guest.words = "Guest agent is not responding: guest agent didn't respond to synchronization within '5' seconds"
    guest.silent_s = 3
    assert GuestAgent(guest).call("guest-ping") == {}
    guest.silent_s = 3
    with pytest.raises(Failure):
        GuestAgent(guest).call("guest-ping", timeout_s=0)


def test_a_command_without_an_answer_is_not_sent_twice(guest: Guest) -> None:
    guest.silent_s = 1
    with pytest.raises(Failure):
        GuestAgent(guest).call("guest-exec", path="reboot", arg=[])


def test_waiting_for_a_guest_that_boots(guest: Guest) -> None:
    guest.silent_s = 3
    assert GuestAgent(guest).wait(60)
    guest.silent_s = 10**6
    assert not GuestAgent(guest).wait(0)
    with pytest.raises(Failure) as caught:
        GuestAgent(guest).interfaces()
    assert caught.value.code == "NFV-GUEST-010"
