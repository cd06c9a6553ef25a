# SPDX-License-Identifier: Apache-2.0
"""An attach or detach that is killed between any two operations: the next nfvcap undoes it or completes it.

First all moments, one after the other, in this process; then real processes that SIGKILL ends at each step. All of it
with and without copies of another guest's frames, whose rule comes last and goes first.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import nfvcap_journal, nfvcap_mirror
from ansible.module_utils.nfvcap_attachsettle import settle
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_lock import HostLock
from ansible.module_utils.nfvcap_mirror_rule import Backend, Rule
from ansible.module_utils.nfvcap_outcome import Outcome
from ansible.module_utils.nfvcap_transaction import STEPS

from tests.modules.fakehost import FakeHost, Killed
from tests.modules.test_attach import MAC, WANTED, Bench
from tests.modules.test_attach_mirror import WATCHED_MAC, WISH

NAMES = ("vf", "config", "live", "sight", "mirror")


class MirrorBench(Bench):
    """Whoever gets the VF also gets copies of what the other one receives."""

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(tree, monkeypatch)
        self.card._set(["vf", "0", "mac", WATCHED_MAC, "vlan", str(WANTED["vlan"])])
        monkeypatch.setattr(nfvcap_journal, "_send", lambda *_: True)

    def attach(self, check: bool = False, **other: Any) -> Outcome:
        return super().attach(check, **{"mirror": WISH, **other})


BENCHES = pytest.mark.parametrize("kind", [Bench, MirrorBench], ids=["alone", "with copies"])


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


@BENCHES
def test_attach_killed_anywhere_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Bench]) -> None:
    bench = kind(tmp_path, monkeypatch)
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


@BENCHES
def test_detach_killed_anywhere_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Bench]
) -> None:
    bench = kind(tmp_path, monkeypatch)
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
@BENCHES
def test_settling_killed_anywhere_is_settled_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Bench]
) -> None:
    bench = kind(tmp_path, monkeypatch)
    before = bench.state()
    bench.attach()  # makes the ledger's folder, once
    bench.detach()
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
@BENCHES
def test_sigkill_at_each_step_of_attach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Bench], step: str, after: bool
) -> None:
    bench = kind(tmp_path / "host", monkeypatch)
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
@BENCHES
def test_sigkill_at_each_step_of_detach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Bench], step: str, after: bool
) -> None:
    bench = kind(tmp_path / "host", monkeypatch)
    disk, before = OnDisk(bench, tmp_path / "vfs.json"), bench.state()
    bench.attach()
    in_a_process(bench, bench.detach, step, "undo", after)
    disk.load()
    outcome = settled(bench)
    assert bench.state() == before and "was completed" in outcome.notes[0]


def _refuses(host: FakeHost, rule: Rule, add: Callable[..., None]) -> None:
    raise PermissionError(1, "Operation not permitted")


def _sets_and_fails(host: FakeHost, rule: Rule, add: Callable[..., None]) -> None:
    add(host, rule)
    raise Failure("NFV-MIRROR-011", "the card took the half of it", "it has no more", "another backend")


def _sets_and_meets_an_error(host: FakeHost, rule: Rule, add: Callable[..., None]) -> None:
    add(host, rule)
    raise OSError(5, "Input/output error")


def _sets_nothing(host: FakeHost, rule: Rule, add: Callable[..., None]) -> None:
    pass


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_refuses, "NFV-ATTACH-022"),
        (_sets_and_fails, "NFV-MIRROR-011"),
        (_sets_and_meets_an_error, "NFV-ATTACH-022"),
        (_sets_nothing, "NFV-MIRROR-011"),
    ],
)
def test_a_rule_that_does_not_come_to_stand_undoes_the_whole_attachment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None], code: str
) -> None:
    bench = MirrorBench(tmp_path, monkeypatch)
    before, seen = bench.state(), []

    def broken(one: Backend) -> Backend:
        def add(host: FakeHost, rule: Rule) -> None:
            seen.append(bench.card.vfs[1]["address"])
            fault(host, rule, one.add)

        return replace(one, add=add)

    with monkeypatch.context() as patched, pytest.raises(Failure) as caught:
        patched.setattr(nfvcap_mirror, "BACKENDS", tuple(map(broken, nfvcap_mirror.BACKENDS)))
        bench.attach()
    assert seen == [MAC], "the VF was the guest's by then"
    assert caught.value.code == code and "step 'mirror' and everything before it was undone" in caught.value.why
    assert bench.state() == before and not len(Ledger(bench.host))
    bench.attach()
    bench.detach()
    assert bench.state() == before


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
