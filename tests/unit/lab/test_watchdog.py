# SPDX-License-Identifier: Apache-2.0
"""The log of a good boot is recorded from the lab server's console; the kernel's stall report from a boot that hung."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nfvcap.lab import process, watchdog
from nfvcap.lab.locks import locked
from nfvcap.lab.process import find
from nfvcap.lab.state import State
from nfvcap.lab.topology import Paths, process_name
from nfvcap.lab.watchdog import Watch

FIRMWARE = 'BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)\n'
LOADING = "  Booting `Debian GNU/Linux'\n\nLoading Linux 6.12.118+deb13-amd64 ...\nLoading initial ramdisk ...\n"
LOGIN = "Debian GNU/Linux 13 host1 ttyS0\n\nhost1 login: "
GOOD = FIRMWARE + LOADING + LOGIN
STALLED = (
    "[  531.355121] rcu: \t6-...!: (0 ticks this GP) idle=d478/0/0x0 softirq=20/20 fqs=0 (false positive?)\n"
    "[  531.356693] rcu: rcu_preempt kthread timer wakeup didn't happen for 5251 jiffies! g-615 f0x0 ->state=0x402\n"
)
AGAIN = "[  100.5] reboot: Restarting system\n"


def verdicts(watch: Watch, *steps: tuple[float, str]) -> list[str]:
    return [watch.look(text, now_s) for now_s, text in steps]


def test_a_good_boot_is_left_alone_and_so_is_what_follows() -> None:
    watch = Watch(silence_s=100)
    assert not any(verdicts(watch, (0, ""), (50, FIRMWARE), (149, FIRMWARE), (150, GOOD), (9999, GOOD)))


@pytest.mark.parametrize("text", ["", FIRMWARE, FIRMWARE + LOADING, GOOD + AGAIN, GOOD + AGAIN + FIRMWARE])
def test_a_boot_that_falls_silent_is_reset(text: str) -> None:
    watch = Watch(silence_s=100)
    before, after = verdicts(watch, (5001, text), (5100, text)), watch.look(text, 5101)
    assert before == ["", ""]
    assert "100 s" in after


def test_a_timer_that_died_is_reset_at_once_and_only_once() -> None:
    watch = Watch(silence_s=100)
    text = FIRMWARE + LOADING + STALLED
    assert "timer" in watch.look(text, 1)
    assert watch.look(text, 2) == ""
    assert watch.look(text + GOOD, 50) == ""


def test_a_stall_of_a_machine_that_is_up_is_not_a_boot_that_hangs() -> None:
    assert Watch().look(GOOD + STALLED, 1) == ""


def test_it_gives_up_after_three_resets_and_begins_anew_after_a_good_boot() -> None:
    watch = Watch(silence_s=10)
    assert [bool(watch.look(FIRMWARE, now_s)) for now_s in range(0, 80, 10)] == [False] + [True] * 3 + [False] * 4
    watch.look(GOOD, 81)
    assert watch.look(GOOD + AGAIN, 82) == ""
    assert watch.look(GOOD + AGAIN, 92)


def test_a_boot_that_cannot_succeed_is_left_for_people_to_read() -> None:
    watch = Watch(silence_s=10)
    text = FIRMWARE + LOADING + "Kernel panic - not syncing: VFS: Unable to mount root fs\n"
    assert not any(verdicts(watch, (0, text), (1000, text)))


def test_it_resets_through_the_control_socket_writes_it_down_and_ends_with_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, commands = Paths(tmp_path), []

    class FakeQmp:
        def __init__(self, path: Path) -> None:
            assert path == paths.qmp

        def __enter__(self) -> FakeQmp:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, command: str) -> None:
            commands.append(command)

    monkeypatch.setattr(watchdog, "Qmp", FakeQmp)
    paths.console.write_text(FIRMWARE + STALLED)
    with locked(paths.lock, "", wait_s=0), machine(paths) as qemu:

        def sleep(_s: float) -> None:
            qemu.kill()
            qemu.wait()

        watchdog.run("x", paths, 100, sleep)
    assert commands == ["system_reset"]
    (line,) = watchdog.resets(paths)
    assert "reset: a processor's timer" in line


def test_a_reset_that_is_refused_is_written_down_too(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    watchdog._reset(paths, "because")  # nobody listens
    (line,) = watchdog.resets(paths)
    assert "could not be reset" in line


def test_a_machine_whose_starter_is_killed_before_the_boot_is_done_goes_with_it(paths: Paths) -> None:
    starter = start_machine(paths)
    pid = find("x", paths)
    assert pid is not None
    assert stays(pid, 1.5), "it was ended while its starter waited for it"
    starter.kill()
    starter.wait()
    assert not stays(pid, 10)
    assert leaves_nothing(paths)


def test_a_machine_that_is_being_born_when_its_starter_is_killed_goes_too(paths: Paths) -> None:
    starter = start_machine(paths, appears=False)
    starter.kill()
    starter.wait()
    with machine(paths) as late:
        assert late.wait(timeout=10) == -signal.SIGKILL
    assert leaves_nothing(paths)


def test_a_machine_that_is_up_outlives_its_starter(paths: Paths) -> None:
    starter = start_machine(paths)
    pid = find("x", paths)
    assert pid is not None
    STATE.save(paths)
    starter.kill()
    starter.wait()
    assert stays(pid, 2)
    process.kill("x", paths)


def test_a_machine_that_another_command_waits_for_by_now_is_left_to_it(paths: Paths) -> None:
    starter = start_machine(paths)
    pid = find("x", paths)
    assert pid is not None
    with adopted(paths, starter):
        assert stays(pid, 2)
    assert not stays(pid, 10)


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """Of a lab x that is booting; its watchdog ends with the test."""
    (tmp_path / "x").mkdir()
    found = Paths(tmp_path / "x")
    replace(STATE, boot_s=0.0).save(found)
    yield found
    process.kill("x", found)


STATE = State("image", 2222, "tcg", "", "10.0.13", "system", "", boot_s=50.0)
# Does what `lab up` does, with a stand-in for QEMU: takes the lock, starts watchdog and machine, waits for the boot.
STARTER = """
import subprocess, sys, time
from pathlib import Path
from nfvcap.lab import watchdog
from nfvcap.lab.locks import locked
from nfvcap.lab.topology import Paths, process_name
paths = Paths(Path(sys.argv[1]))
with locked(paths.lock, "", wait_s=10):
    watchdog.start("x", paths)
    if sys.argv[2] == "True":
        words = [sys.executable, "-c", "import time; time.sleep(60)", process_name("x"), str(paths.pid)]
        paths.pid.write_text(str(subprocess.Popen(words, start_new_session=True).pid))
    print("started", flush=True)
    time.sleep(60)
"""


def start_machine(paths: Paths, *, appears: bool = True) -> subprocess.Popen[str]:
    """``lab up`` in the middle of the boot; without ``appears``, in the middle of QEMU's start."""
    words = [sys.executable, "-c", STARTER, str(paths.directory), str(appears)]
    starter = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "started\n"
    while appears and find("x", paths) is None:
        time.sleep(0.01)
    return starter


def stays(pid: int, for_s: float) -> bool:
    """Whether the process is still there after this time; returns early when it has ended."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        if not process._holds_files(pid):
            return False
        time.sleep(0.05)
    return True


def leaves_nothing(paths: Paths, within_s: float = 5) -> bool:
    """Its files go a moment after the process."""
    deadline = time.monotonic() + within_s
    while any(path.exists() for path in paths.sockets()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def adopted(paths: Paths, starter: subprocess.Popen[str]) -> Iterator[None]:
    """The starter dies while another command waits for the lock, which tries for it without a pause."""
    descriptor = os.open(paths.lock, os.O_RDWR)
    waiter = threading.Thread(target=fcntl.flock, args=(descriptor, fcntl.LOCK_EX))
    waiter.start()
    time.sleep(0.1)
    starter.kill()
    starter.wait()
    waiter.join()
    try:
        yield
    finally:
        os.close(descriptor)


def machine(paths: Paths) -> subprocess.Popen[bytes]:
    """A process that looks like the lab's QEMU."""
    words = [sys.executable, "-c", "import time; time.sleep(60)", process_name("x"), str(paths.pid)]
    process = subprocess.Popen(words)
    paths.pid.write_text(str(process.pid))
    while find("x", paths) is None:  # between fork and exec it has another command line
        time.sleep(0.01)
    return process
