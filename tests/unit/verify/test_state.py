# SPDX-License-Identifier: Apache-2.0
"""From hosts to a result, with the reading replaced or done on this very machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import example
import pytest

from nfvcap.errors import ExitCode, UsageError
from nfvcap.verify import collect, state
from nfvcap.verify.plans import plans_from
from nfvcap.verify.snapshot import Snapshot


def verify(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], **options: Any):
    monkeypatch.setattr(state, "collect", lambda *_: found)
    return state.verify_hosts(tuple(found), (), hostvars={}, **options)


def test_hosts_come_back_in_order_each_with_its_own_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    naked = example.raw()
    del naked["files"]["/var/lib/nfvcap/plan.json"]
    result = verify(monkeypatch, {
        "gone": collect.Unreachable("No route to host"), "good": Snapshot(example.raw()),
        "locked": collect.Unreadable("the login is not root"), "new": Snapshot(naked),
    })  # fmt: skip
    assert [(host.host, int(host.exit_code)) for host in result.hosts] == [
        ("gone", 6),
        ("good", 0),
        ("locked", 2),
        ("new", 4),
    ]
    assert [result.hosts[at].checks[0].id for at in (0, 2)] == ["NFV-STATE-001", "NFV-STATE-002"]
    assert result.hosts[0].checks[0].found == "No route to host"
    assert result.hosts[3].checks[0].found == "never provisioned"
    assert result.hosts[1].environment["nics"][0]["driver"] == "igb"


def test_a_given_plan_wins_over_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    desired = example.plan().desired.model_copy(update={"hugepages": ()})
    mine = example.plan().model_copy(update={"desired": desired})
    result = verify(monkeypatch, {"host1": Snapshot(example.raw())}, plans={"host1": mine})
    warned = [(check.id, check.found) for check in result.hosts[0].checks if check.verdict == "WARN"]
    assert warned == [("NFV-STATE-004", "another wish for hugepages")]
    assert result.exit_code is ExitCode.OK


def test_a_plan_of_another_version_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = example.raw()
    document = example.whole_plan() | {"nfvcap_plan_schema": "nfvcap/plan/99"}
    raw["files"]["/var/lib/nfvcap/plan.json"] = json.dumps(document)
    result = verify(monkeypatch, {"host1": Snapshot(raw)})
    assert result.exit_code is ExitCode.CHECK_FAILED
    assert "of another version" in result.hosts[0].checks[0].found
    with_plan = verify(monkeypatch, {"host1": Snapshot(raw)}, plans={"host1": example.plan()})
    assert [check.id for check in with_plan.hosts[0].checks if check.verdict == "FAIL"] == ["NFV-STATE-003"]


def test_the_plan_is_found_when_the_host_was_renamed_in_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(monkeypatch, {"other": Snapshot(example.raw())}).exit_code is ExitCode.OK


def test_fixes_name_the_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = example.raw()
    raw["files"]["/etc/modprobe.d/nfvcap.conf"] = None
    result = verify(monkeypatch, {"host1": Snapshot(raw)}, options=" -i lab.yml")
    fixes = [check.fix for check in result.hosts[0].checks if check.fix]
    assert fixes == ["nfvcap provision host1 -i lab.yml"]


def test_result_goes_through_json_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verify(monkeypatch, {"host1": Snapshot(example.raw()), "gone": collect.Unreachable("x")})
    assert type(result).from_json(result.to_json()) == result


def test_this_machine_can_be_read() -> None:
    """The reader itself, through testinfra's local connection."""
    ask = collect.Ask(files=("/etc/hostname", "/no/such/file"))
    found = collect.collect(["here"], {"here": {"ansible_connection": "local"}}, (), {"here": ask})["here"]
    if isinstance(found, collect.Unreadable):
        pytest.skip(f"not root here: {found}")
    assert isinstance(found, Snapshot)
    assert found.text("/proc/cmdline") == Path("/proc/cmdline").read_text().strip()
    assert found.text("/etc/hostname") is not None and found.text("/no/such/file") is None
    assert found.raw["commands"]["links"]["rc"] in {0, 127}


def test_a_host_that_does_not_answer_is_unreachable_in_the_words_of_ssh() -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    found = collect.collect(["gone"], {"gone": closed}, (), {})["gone"]
    assert isinstance(found, collect.Unreachable)
    assert "Connection refused" in str(found) or "ssh" in str(found)


def test_a_missing_python_is_told_as_such() -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": "/no/such/python3"}
    found = collect.collect(["here"], {"here": local}, (), {})["here"]
    assert isinstance(found, collect.Unreadable) and "/no/such/python3 cannot be run" in str(found)


def test_plan_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(UsageError, match="cannot be read"):
        plans_from(path, ["host1"])
    path.write_text("{}")
    with pytest.raises(UsageError, match="is no plan"):
        plans_from(path, ["host1"])
    path.write_text(json.dumps(example.whole_plan()))
    assert plans_from(path, ["host1"]) == {"host1": example.plan()}
    with pytest.raises(UsageError, match="no plan for host9"):
        plans_from(path, ["host1", "host9"])


def test_a_host_of_which_nothing_is_wanted_needs_no_record_and_no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, lab = example.raw(), example.plan()
    for path in ("/var/lib/nfvcap/plan.json", "/var/lib/nfvcap/ledger.json"):
        del raw["files"][path]
    nothing = lab.model_copy(update={"files": dict.fromkeys(lab.files), "desired": lab.desired.model_copy(
        update={"kvm": lab.desired.kvm.model_copy(update={"packages": (), "services": ()})})})  # fmt: skip
    for plan, verdict in ((nothing, "SKIP"), (lab, "FAIL")):
        result = verify(monkeypatch, {"host1": Snapshot(raw)}, plans={"host1": plan})
        found = {check.id: str(check.verdict) for check in result.hosts[0].checks}
        assert (found["NFV-STATE-003"], found["NFV-STATE-005"]) == (verdict, verdict)
