# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import example
import pytest

from nfvcap import catalogue
from nfvcap.model.result import Verdict
from nfvcap.verify.case import Case
from nfvcap.verify.session import WORDS, judge
from nfvcap.verify.snapshot import Snapshot


def case(host: str, **changes: object) -> Case:
    return Case(host, example.plan(), Snapshot(example.raw() | changes), example.plan())


def test_a_host_as_planned_passes_every_check(judged) -> None:
    checks = judged(example.raw(), example.plan())
    assert [
        (c.id, c.subject, c.verdict.value, c.found, c.reason) for c in checks if c.verdict is not Verdict.PASS
    ] == []
    assert all(check.found and check.wanted for check in checks)


def test_verdicts_come_in_order_with_the_words_of_the_catalogue(judged) -> None:
    titles = {entry.id: entry.title for entry in catalogue.read(WORDS)}
    checks = judged(example.raw(), example.plan())
    assert [check.id for check in checks] == sorted(check.id for check in checks)
    assert all(check.title == titles[check.id] for check in checks)


def test_no_two_verdicts_have_the_same_name(judged) -> None:
    names = [(check.id, check.subject) for check in judged(example.raw(), example.plan())]
    assert len(names) == len(set(names))


def test_hosts_are_judged_apart() -> None:
    broken = case("host2", kvm={"exists": False, "api_version": None, "error": "gone"})
    verdicts = judge([case("host1"), broken])
    assert {check.verdict for check in verdicts["host1"]} == {Verdict.PASS}
    assert [check.id for check in verdicts["host2"] if check.verdict is Verdict.FAIL] == ["NFV-STATE-080"]


def test_what_cannot_be_read_is_an_error_and_not_a_failure() -> None:
    path = "/sys/devices/system/cpu/isolated"
    red = [c for c in judge([case("host1", unreadable={path: "Permission denied"})])["host1"] if c.verdict != "PASS"]
    assert [(check.id, check.verdict) for check in red] == [("NFV-STATE-040", Verdict.ERROR)]
    assert red[0].reason == f"{path} cannot be read: Permission denied"


def test_a_check_that_crashes_is_an_error_of_this_check_alone() -> None:
    raw = example.raw()
    raw["files"]["/proc/irq/default_smp_affinity"] = "not hexadecimal"
    red = [check for check in judge([Case("host1", example.plan(), Snapshot(raw), None)])["host1"]
           if check.verdict is Verdict.ERROR]  # fmt: skip
    assert [check.id for check in red] == ["NFV-STATE-042"]
    assert red[0].reason.startswith("ValueError")


def test_systemd_that_does_not_answer_makes_errors_where_units_are_needed() -> None:
    raw = example.raw()
    raw["commands"]["units"] = example.said("systemctl", rc=1, stderr="Failed to connect to bus")
    checks = judge([Case("host1", example.plan(), Snapshot(raw), example.plan())])["host1"]
    errors = {check.id for check in checks if check.verdict is Verdict.ERROR}
    assert errors == {f"NFV-STATE-{number}" for number in ("006", "007", "008", "043", "082", "083")}


def test_the_users_pytest_configuration_is_not_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only --nonsense\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('loaded')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    before = sorted(tmp_path.rglob("*"))
    assert len(judge([case("host1")])["host1"]) > 100
    assert sorted(tmp_path.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_a_plan_that_wants_nothing_leaves_only_what_is_always_checked() -> None:
    desired = example.plan().desired.model_copy(update={
        "kernel_args": (), "hugepages": (), "pfs": (), "units": (),
        "cpus": example.plan().desired.cpus.model_copy(update={"isolated": ()}),
        "irqbalance": example.plan().desired.irqbalance.model_copy(update={"manage": False}),
        "vfio": example.plan().desired.vfio.model_copy(update={"modules": (), "options": ()}),
        "kvm": example.plan().desired.kvm.model_copy(update={"packages": (), "services": ()}),
    })  # fmt: skip
    plan = example.plan().model_copy(update={"desired": desired, "files": {}, "protected": ()})
    checks = judge([Case("host1", plan, Snapshot(example.raw()), plan)])["host1"]
    red = [(check.id, check.subject) for check in checks if check.verdict is not Verdict.PASS]
    # The VFs of the example are then on a PF that nobody planned, and nfvcap made them.
    assert red == [("NFV-STATE-056", example.PF)]


def test_files_that_must_not_exist_are_looked_for() -> None:
    files = {**example.files(), "/etc/modprobe.d/nfvcap.conf": None}
    plan = example.plan().model_copy(update={"files": files})
    checks = judge([Case("host1", plan, Snapshot(example.raw()), plan)])["host1"]
    red = [(check.id, check.subject, check.found) for check in checks if check.verdict is Verdict.FAIL]
    assert red == [("NFV-STATE-100", "/etc/modprobe.d/nfvcap.conf", "there")]
