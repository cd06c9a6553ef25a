# SPDX-License-Identifier: Apache-2.0
"""An attach or detach that is killed between any two operations: the next nfvcap undoes it or completes it.

First all moments, one after the other, in this process; then real processes that SIGKILL ends at each step.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.nfvcap_attachsettle import settle
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_lock import HostLock
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_transaction import STEPS

from tests.modules.fakehost import Killed
from tests.modules.test_attach import Bench

NAMES = ("vf", "config", "live", "sight")


def kill(bench: Bench, work: Any, lives: int | None) -> int:
    """Do ``work`` with so many operations to live; returns how many it took."""
    bench.host.operations, bench.host.lives = 0, lives
    try:
        work()
    except Killed:
        pass
    else:
        assert lives is None, "was not killed"
    finally:
        bench.host.lives = None
    return bench.host.operations


def settled(bench: Bench) -> Outcome:
    outcome = Outcome()
    settle(bench.host, outcome)
    assert not len(Ledger(bench.host)) and bench.host.listdir("/var/lib/nfvcap") in ([], ["ledger.json"])
    return outcome


def test_attach_killed_anywhere_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch)
    before = bench.state()
    bench.attach()  # makes the ledger's folder, once
    bench.detach()
    total = kill(bench, bench.attach, None)
    bench.detach()
    assert bench.state() == before and total > 20
    for lives in range(total):
        kill(bench, bench.attach, lives)
        outcome = settled(bench)
        assert bench.state() == before, f"killed after {lives} of {total} operations"
        assert not outcome.notes or "was undone" in outcome.notes[0]


def test_detach_killed_anywhere_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch)
    before = bench.state()
    bench.attach()
    attached = bench.state()
    total = kill(bench, bench.detach, None)
    for lives in range(total):
        bench.attach()
        assert bench.state() == attached
        kill(bench, bench.detach, lives)
        if (Ledger(bench.host).entry(f"attach:{bench.card.address}:1") or {}).get("state") == "attached":
            bench.detach()  # killed before its first word in the ledger: nothing had begun
        else:
            settled(bench)
        assert bench.state() == before, f"killed after {lives} of {total} operations"


@pytest.mark.soak
def test_settling_killed_anywhere_is_settled_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch)
    before = bench.state()
    total = kill(bench, bench.attach, None)
    bench.detach()
    for lives in range(3, total, 4):
        for more in range(12):
            kill(bench, bench.attach, lives)
            bench.host.operations, bench.host.lives = 0, more
            try:
                settle(bench.host, Outcome())
            except Killed:
                pass
            finally:
                bench.host.lives = None
            settled(bench)
            assert bench.state() == before, f"killed after {lives}, settling killed after {more}"


class OnDisk:
    """What the fake card knows, kept where it survives the process."""

    def __init__(self, bench: Bench, path: Path) -> None:
        self.bench, self.path = bench, path
        bench.card.changed = self.save  # type: ignore[method-assign]

    def save(self) -> None:
        self.path.write_text(json.dumps(self.bench.card.vfs))

    def load(self) -> None:
        if self.path.exists():
            self.bench.card.vfs = {int(index): vf for index, vf in json.loads(self.path.read_text()).items()}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process(bench: Bench, work: Any, step: str, method: str, after: bool) -> None:
    """Do ``work`` in a process that SIGKILL ends before, or after, ``method`` of a step; it holds the host's lock."""
    child = os.fork()
    if child == 0:
        try:
            real = getattr(STEPS[step], method)

            def deadly(context: Any) -> None:
                if after:
                    real(context)
                _die()

            setattr(STEPS[step], method, deadly)
            with HostLock(bench.host, "a process that will be killed"):
                work()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", NAMES)
def test_sigkill_at_each_step_of_attach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    bench = Bench(tmp_path / "host", monkeypatch)
    disk, before = OnDisk(bench, tmp_path / "vfs.json"), bench.state()
    in_a_process(bench, bench.attach, step, "do", after)
    disk.load()
    begun = (Ledger(bench.host).entry(f"attach:{bench.card.address}:1") or {})["begun"]
    assert begun == list(NAMES[: NAMES.index(step) + 1])
    # The kernel has released the lock; whoever comes next need not wait.
    with HostLock(bench.host, "the next", wait_s=0):
        outcome = settled(bench)
    assert bench.state() == before
    assert f"at step {step}" in outcome.notes[0] and "someone@somewhere" in outcome.notes[0]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", NAMES)
def test_sigkill_at_each_step_of_detach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    bench = Bench(tmp_path / "host", monkeypatch)
    disk, before = OnDisk(bench, tmp_path / "vfs.json"), bench.state()
    bench.attach()
    in_a_process(bench, bench.detach, step, "undo", after)
    disk.load()
    outcome = settled(bench)
    assert bench.state() == before and "was completed" in outcome.notes[0]


def test_the_next_command_is_told_and_does_its_own_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path / "host", monkeypatch)
    disk = OnDisk(bench, tmp_path / "vfs.json")
    in_a_process(bench, bench.attach, "live", "do", after=True)
    disk.load()
    outcome = bench.attach()
    assert "interrupted attach" in outcome.notes[0] and outcome.extra["nfvcap_attached"]["sight"]
    bench.detach()


def test_second_operator_is_told_who_holds_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch)
    with (
        HostLock(bench.host, "attach to vm1 by anna@control"),
        pytest.raises(Failure) as caught,
        HostLock(bench.host, "attach to vm1 by bert@laptop", wait_s=0.1),
    ):
        pass
    assert caught.value.code == "NFV-LEDGER-001" and "anna@control" in caught.value.why
