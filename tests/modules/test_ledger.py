# SPDX-License-Identifier: Apache-2.0
"""The ledger, the lock, files: what is written first, what is kept, what comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible.module_utils.nfvcap_failure import Failure
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_hostfile import WantedFile, original, restore_file, set_files
from ansible.module_utils.nfvcap_ledger import ENDED_KEPT, PATH, Ledger
from ansible.module_utils.nfvcap_lock import PATH as LOCK
from ansible.module_utils.nfvcap_lock import HostLock
from ansible.module_utils.nfvcap_outcome import Outcome

from nfvcap.verify.packets.engines import dpdk_pf
from tests.modules.fakehost import FakeHost

LIMITS_S = 20.0


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def put(host: FakeHost, *files: WantedFile, check: bool = False) -> Outcome:
    outcome = Outcome()
    set_files(host, list(files), outcome, check)
    return outcome


def test_the_first_original_wins(host: FakeHost) -> None:
    ledger = Ledger(host)
    assert ledger.record("hugepages:node0:2048kB", "hugepages", 8)
    assert not ledger.record("hugepages:node0:2048kB", "hugepages", 512)
    again = Ledger(host)
    assert again.entry("hugepages:node0:2048kB")["before"] == 8  # type: ignore[index]
    assert json.loads(host.read(PATH) or "")["schema"] == "nfvcap/ledger/1"


def test_entries_keep_the_order_of_recording(host: FakeHost) -> None:
    ledger = Ledger(host)
    for number in (3, 1, 2):
        ledger.record(f"file:/{number}", "file", None)
    assert Ledger(host).ids() == ["file:/3", "file:/1", "file:/2"]


def test_what_has_ended_is_remembered_and_not_for_ever(host: FakeHost) -> None:
    ledger = Ledger(host)
    for number in range(ENDED_KEPT + 3):
        ledger.record(f"mirror:m{number}", "mirror", None)
        ledger.end(f"mirror:m{number}", ended_by="bob")
    ledger.end("mirror:m0", ended_by="bob")  # it is not there any more
    again = Ledger(host)
    assert not len(again) and len(again.ended) == ENDED_KEPT
    assert again.ended[0]["id"] == "mirror:m3" and again.ended[-1]["ended_by"] == "bob" and again.ended[-1]["ended_at"]
    again.delete()
    assert not Ledger(host).ended and not host.exists("/var/lib/nfvcap")


def test_a_ledger_without_anything_ended_has_no_word_of_it(host: FakeHost) -> None:
    ledger = Ledger(host)
    ledger.record("file:/x", "file", None)
    ledger.remove("file:/x")
    assert set(json.loads(host.read(PATH) or "")) == {"schema", "entries"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "nfvcap/ledger/1"}'])
def test_a_ledger_that_cannot_be_read_stops_everything(host: FakeHost, text: str) -> None:
    host.plant(PATH, text)
    with pytest.raises(Failure) as caught:
        put(host, WantedFile("/etc/x", "new"))
    assert caught.value.code == "NFV-LEDGER-002"
    assert not host.exists("/etc/x")


def test_a_ledger_of_a_later_version_is_not_touched(host: FakeHost) -> None:
    host.plant(PATH, '{"schema": "nfvcap/ledger/2", "entries": {}}')
    with pytest.raises(Failure) as caught:
        Ledger(host)
    assert caught.value.code == "NFV-LEDGER-003"


def test_when_the_ledger_cannot_be_written_nothing_is_changed(host: FakeHost) -> None:
    host.plant("/var/lib")  # a file where a directory should be
    with pytest.raises(Failure) as caught:
        put(host, WantedFile("/etc/x", "new"))
    assert caught.value.code == "NFV-LEDGER-004"
    assert not host.exists("/etc/x")


def test_files_come_back_byte_for_byte_with_mode_and_made_directories_go(host: FakeHost) -> None:
    host.plant("/etc/a.conf", b"caf\xe9 \xff\n", 0o640)
    host.plant("/etc/b.conf", "b\n", 0o600)
    host.link("/etc/c.conf", "b.conf")
    before = host.tree()
    put(host, *(WantedFile(f"/etc/{name}.conf", "ours\n") for name in "abc"), WantedFile("/etc/new/d/e.conf", "e\n"))
    assert host.read("/etc/c.conf") == "ours\n" and host.read("/etc/b.conf") == "ours\n"
    ledger = Ledger(host)
    for entry_id in reversed(ledger.ids()):
        kind, path = entry_id.split(":", 1)
        if kind == "file":
            restore_file(host, path, ledger.entry(entry_id)["before"])  # type: ignore[index]
        else:
            assert host.remove_folder(path)
    assert not Ledger(host).delete()
    for folder in ("/var/lib", "/var"):
        host.remove_folder(folder)
    assert host.tree() == before


def test_only_what_differs_is_written(host: FakeHost) -> None:
    put(host, WantedFile("/etc/a", "1"), WantedFile("/etc/b", "1"))
    assert [change["id"] for change in put(host, WantedFile("/etc/a", "1"), WantedFile("/etc/b", "2")).changes] == [
        "file:/etc/b"
    ]
    assert not put(host, WantedFile("/etc/none", None)).changes


def test_a_wrong_mode_is_a_difference(host: FakeHost) -> None:
    host.plant("/etc/a", "1", 0o666)
    outcome = put(host, WantedFile("/etc/a", "1"))
    assert outcome.changes == [{"id": "file:/etc/a", "before": "mode 0666", "after": "mode 0644"}]
    assert host.mode("/etc/a") == 0o644


def test_check_mode_touches_nothing(host: FakeHost) -> None:
    host.plant("/etc/a", "1")
    before = host.tree()
    assert len(put(host, WantedFile("/etc/a", None), WantedFile("/etc/b", "2"), check=True).changes) == 2
    assert host.tree() == before


def test_what_could_not_be_restored_is_not_replaced(host: FakeHost) -> None:
    host.plant("/etc/x/file")
    with pytest.raises(Failure) as caught:
        put(host, WantedFile("/etc/x", "new"))
    assert caught.value.code == "NFV-LEDGER-006"


def test_the_state_of_nfvcap_itself_needs_no_entry(host: FakeHost) -> None:
    put(host, WantedFile("/var/lib/nfvcap/plan.json", "{}\n", 0o600))
    assert host.mode("/var/lib/nfvcap") == 0o700
    assert len(Ledger(host)) == 0
    assert Ledger(host).delete() == [] and not host.exists("/var/lib/nfvcap")


def test_a_power_cut_leaves_the_old_file_or_the_new_one(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.plant("/etc/a", "old")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        host.replace("/etc/a", b"new")
    assert host.read("/etc/a") == "old"
    assert host.listdir("/etc") == ["a"]


def test_the_original_of_a_link_is_the_link(host: FakeHost) -> None:
    host.link("/etc/a", "b")
    assert original(host, "/etc/a")["symlink"] == "b"  # type: ignore[index]


def test_the_lock_names_who_holds_it(host: FakeHost) -> None:
    host.plant("/run/lock/keep")
    with HostLock(host, "nfvcap_sriov"), pytest.raises(Failure) as caught, HostLock(host, "nfvcap_file", wait_s=2.0):
        pass
    assert caught.value.code == "NFV-LEDGER-001"
    assert f"nfvcap_sriov (pid {os.getpid()}, since 2" in caught.value.why
    with HostLock(host, "nfvcap_file"):
        pass


def test_the_lock_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    (tmp_path / "run/lock").mkdir(parents=True)
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from module_utils.nfvcap_host import Host; "
        "from module_utils.nfvcap_lock import HostLock\n"
        "with HostLock(Host(sys.argv[2]), 'victim'): print('held', flush=True); time.sleep(60)"
    )
    plugins = Path(__file__).resolve().parents[2] / "plugins"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(plugins), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(Failure, match="another nfvcap"), HostLock(FakeHost(tmp_path), "me", wait_s=1.0):
            pass
        process.kill()
        process.wait()
    with HostLock(FakeHost(tmp_path), "me"):
        pass


# A write that a driver does not answer: a FIFO that nobody reads blocks in open(2) as such a driver does in write(2).


def test_a_write_that_blocks_is_given_up_in_time_and_leaves_no_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sriov_numvfs")
    host = Host(str(tmp_path))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        host.write_bounded("/sriov_numvfs", "4\n", 0.3)
    assert time.monotonic() - began < LIMITS_S
    # The child is gone: nobody is left who would write when a reader comes.
    reader = os.open(tmp_path / "sriov_numvfs", os.O_RDONLY | os.O_NONBLOCK)

    def at_end() -> bool:
        try:
            return os.read(reader, 10) == b""
        except BlockingIOError:  # the kernel is still burying it
            return False

    assert host.wait_until(at_end, 5)
    os.close(reader)


def test_a_blocked_write_does_not_keep_the_lock(tmp_path: Path) -> None:
    (tmp_path / "run/lock").mkdir(parents=True)
    os.mkfifo(tmp_path / "sriov_numvfs")
    host = Host(str(tmp_path))
    with HostLock(host, "first"), pytest.raises(TimeoutError):
        host.write_bounded("/sriov_numvfs", "4\n", 0.1)
    with HostLock(host, "second", wait_s=5.0):
        pass


def test_a_blocked_write_does_not_keep_our_output_open(tmp_path: Path) -> None:
    """A child that cannot be killed would let whoever called us over ssh wait for the end of our output for ever."""

    class Noting(Host):
        def write(self, path: str, text: str) -> None:
            held = [str(Path(f"/proc/self/fd/{number}").readlink()) for number in range(3)]
            (tmp_path / "held").write_text("\n".join(held))

    Noting(str(tmp_path)).write_bounded("/value", "4\n", LIMITS_S)
    assert set((tmp_path / "held").read_text().split()) == {"/dev/null"}


def test_a_write_in_a_child_arrives_and_its_error_comes_back(tmp_path: Path) -> None:
    host = Host(str(tmp_path))
    (tmp_path / "value").write_text("")
    host.write_bounded("/value", "4\n", LIMITS_S)
    assert host.number("/value") == 4
    with pytest.raises(FileNotFoundError):
        host.write_bounded("/missing", "4\n", LIMITS_S)
    with pytest.raises(OSError, match="No space left"):
        Host().write_bounded("/dev/full", "4\n", LIMITS_S)


def test_a_loan_of_a_pf_takes_the_same_lock() -> None:
    """It is taken by a script of its own, behind which no module runs."""
    assert dpdk_pf.LOCK == LOCK
