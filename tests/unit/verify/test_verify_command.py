# SPDX-License-Identifier: Apache-2.0
"""`nfvcap verify` as typed, with the reading of the host replaced."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import example
import pytest

from nfvcap.cli.main import main
from nfvcap.errors import UsageError
from nfvcap.model.result import Result
from nfvcap.verify import state
from nfvcap.verify.snapshot import Snapshot

Type = Callable[..., tuple[int, str]]


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the host will turn out to be; a test may break it."""
    found = example.raw()
    monkeypatch.setattr(state, "collect", lambda hosts, *_: {host: Snapshot(found) for host in hosts})
    return found


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Run the command; returns exit code and standard output (standard error must stay empty unless it fails early)."""
    (tmp_path / "hosts.yml").write_text("all: {hosts: {host1: {}, host2: {}}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def typed(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["verify", *words, "-i", "hosts.yml"])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out or said.err

    return typed


def warn(raw: dict[str, Any]) -> None:
    raw["files"][f"{example.DEVICES}/{example.OTHER_PF}/sriov_numvfs"] = "2\n"


def test_a_good_host(raw: dict[str, Any], typed: Type) -> None:
    code, said = typed("host1", "--state-only")
    assert code == 0 and said.rstrip().splitlines()[-1] == "host1 is as planned: 116 PASS."


def test_a_bad_host_among_good_ones_decides(raw: dict[str, Any], typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = example.raw() | {"kvm": {"exists": False, "api_version": None, "error": "gone"}}
    monkeypatch.setattr(state, "collect", lambda *_: {"host1": Snapshot(raw), "host2": Snapshot(bad)})
    code, said = typed("host1", "host2", "--state-only")
    assert code == 4 and said.rstrip().endswith("1 of 2 hosts are as planned; look at host2.")
    assert "nfvcap provision host2 -i hosts.yml" not in said  # the fix of this check is another
    assert "modprobe kvm_intel" in said


def test_reports_are_written_beside_the_output(raw: dict[str, Any], typed: Type, tmp_path: Path) -> None:
    code, said = typed(
        "host1", "--state-only", "--format", "json", "--junit", "j.xml", "--tap", "t.tap", "--html", "r.html"
    )
    assert code == 0 and json.loads(said)["schema"] == "nfvcap/result/1"
    assert ET.parse(tmp_path / "j.xml").getroot().get("tests") == "116"
    assert (tmp_path / "t.tap").read_text().startswith("TAP version 13\n1..116\n")
    assert "host1 is as planned" in (tmp_path / "r.html").read_text()
    assert json.loads(next((tmp_path / "state").rglob("result.json")).read_text()) == json.loads(said)


def test_json_lines(raw: dict[str, Any], typed: Type) -> None:
    _, said = typed("host1", "--state-only", "--format", "jsonl")
    assert json.loads(said.splitlines()[0])["event"] == "begin"
    assert json.loads(said.splitlines()[-1])["exit_code"] == 0


def test_warnings_count_only_when_strict(raw: dict[str, Any], typed: Type) -> None:
    warn(raw)
    assert typed("host1", "--state-only")[0] == 0
    code, said = typed("host1", "--state-only", "--strict")
    assert code == 4 and "NFV-STATE-056" in said


def test_a_host_alone_means_its_state_and_all_its_guests(
    raw: dict[str, Any], typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nfvcap.cli import verify_guest

    monkeypatch.setattr(verify_guest, "_wire_is_there", lambda *_: None)
    monkeypatch.setattr(verify_guest, "around_host", lambda environment, facts: environment)
    monkeypatch.setattr(
        verify_guest, "_look", lambda *_: (SimpleNamespace(nics=[]), {"vm1": {"state": "running", "vfs": []}})
    )
    code, said = typed("host1", "--no-keep")
    assert code == 0 and "NFV-PKT-003" in said and "vm1 has no VF" in said
    assert said.rstrip().endswith("116 PASS. No packet was sent: no guest can be measured.")
    assert typed("host1", "--no-keep", "--strict")[0] == 4
    _, said = typed("host1", "--no-keep", "--format", "jsonl")
    events = [json.loads(line)["event"] for line in said.splitlines()]
    assert events == ["begin", *["check"] * 117, "host", "end"]


def test_a_host_alone_without_a_source_hears_what_to_type(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFVCAP_LAB", "none-of-these")
    code, said = typed("host1")
    assert code == 2 and "NFV-PKT-211" in said
    assert "nfvcap verify host1 --from HOST:PORT" in said and "nfvcap verify host1 --state-only" in said


@pytest.mark.parametrize("words", [("localhost",), ("host1", "--plan", "plan.json")])
def test_what_is_to_be_verified_must_be_said(typed: Type, words: tuple[str, ...]) -> None:
    code, said = typed(*words)
    assert code == 2 and "NFV-STATE-201" in said and f"nfvcap verify {words[0]} --state-only" in said


@pytest.mark.parametrize("words", [("host1",), ("localhost", "--matrix"), ("host1", "--state-only")])
def test_a_pf_is_lent_to_the_matrix_of_a_host_alone(typed: Type, words: tuple[str, ...]) -> None:
    code, said = typed(*words, "--dpdk-pf", "ens1")
    assert code == 2 and "NFV-PKT-203" in said and "--matrix --dpdk-pf ens1" in said


def test_packets_are_for_one_host(typed: Type) -> None:
    code, said = typed("host1", "host2")
    assert code == 2 and "NFV-PKT-203" in said and "--state-only" in said


def test_a_report_that_cannot_be_written(raw: dict[str, Any], typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    from nfvcap.cli import verify

    code, said = typed("host1", "--state-only", "--junit", "no/such/dir/j.xml")
    assert code == 2 and "NFV-STATE-203" in said
    # Root may write everywhere, so that it may not is said by the system call alone.
    monkeypatch.setattr(verify.os, "access", lambda path, mode, **_: mode != verify.os.W_OK)
    code, said = typed("host1", "--state-only", "--junit", "j.xml")
    assert code == 2 and "you may not write there" in said


def test_virtual_devices_have_no_vfs(typed: Type) -> None:
    code, said = typed("localhost", "--engine", "vdev", "--vf", "0000:81:10.0")
    assert code == 2 and "NFV-PKT-203" in said and "--guest GUEST --vf" in said


def test_another_plan(raw: dict[str, Any], typed: Type, tmp_path: Path) -> None:
    document = example.whole_plan()
    document["nfvcap_plan"]["host1"]["desired"]["hugepages"][1]["count"] = 600
    (tmp_path / "plan.json").write_text(json.dumps(document))
    code, said = typed("host1", "--state-only", "--plan", "plan.json")
    assert code == 4 and "NFV-STATE-030" in said and "600 pages" in said and "NFV-STATE-004" in said
    assert typed("host2", "--state-only", "--plan", "plan.json")[0] == 2


@pytest.mark.parametrize("words", [("--engine", "kernel"), ("--vf", "0000:81:10.0")])
def test_the_matrix_is_asked_for_whole(typed: Type, words: tuple[str, ...]) -> None:
    code, said = typed("host1", "--matrix", *words)
    assert code == 2 and "NFV-PKT-203" in said and "--guest GUEST" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("host1", "--state-only", "--at-least", "5"), "--at-least would have no effect"),
        (("localhost", "--engine", "vdev", "--from", "nonsense"), "--from would have no effect"),
        (("host1", "--guest", "vm1", "--link", "1G"), "--link would have no effect"),
        (("localhost", "--engine", "vdev", "--calibrate", "--at-least", "5"), "--calibrate measures the source alone"),
    ],
)
def test_nothing_that_decides_about_green_is_ignored(typed: Type, words: tuple[str, ...], said: str) -> None:
    code, told = typed(*words)
    assert code == 2 and "NFV-PKT-203" in told and said in " ".join(told.split())


def test_a_guest_that_is_named_twice_is_measured_once(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    from nfvcap.cli import verify_guest

    asked: list[tuple[str, ...]] = []

    def measure(_: Any, options: Any, __: Any) -> Any:
        asked.append(options.guest)
        raise UsageError("NFV-PKT-209", "enough", "")

    monkeypatch.setattr(verify_guest, "measure", measure)
    assert typed("host1", "--guest", "vm3", "--guest", "vm1", "--guest", "vm3")[0] == 2
    assert asked == [("vm3", "vm1")]


def test_a_result_that_has_no_place_is_told_all_the_same(
    raw: dict[str, Any], typed: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Minutes of measuring are not lost because a home directory cannot be written."""
    from nfvcap.cli import verify_packets

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    options: Any = SimpleNamespace(keep=False)
    verify_packets.keep(Result(nfvcap_version="0", created_at="2026-11-29T00:00:00Z", hosts=()), options)
