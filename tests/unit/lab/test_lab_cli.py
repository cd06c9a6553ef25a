# SPDX-License-Identifier: Apache-2.0
"""`nfvcap lab` where no lab runs; what runs is tested in tests/lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nfvcap.cli.main import cli
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.lab import Lab
from nfvcap.lab.state import State
from nfvcap.lab.text import lines


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["lab", *words])


def refused(*words: str) -> NfvcapError:
    error = call(*words).exception
    assert isinstance(error, NfvcapError)
    return error


def test_status_of_a_lab_that_never_was() -> None:
    assert call("status").stdout.startswith("lab: down")
    assert json.loads(call("status", "--format", "json").stdout)["state"] == "down"
    assert json.loads(call("status", "--all", "--format", "json").stdout) == []


@pytest.mark.parametrize(
    "words",
    [("ssh", "--", "true"), ("console",), ("wire", "status"), ("wire", "send"), ("wire", "receive", "--for", "0")],
)
def test_what_needs_a_running_lab_says_how_to_start_it(words: tuple[str, ...]) -> None:
    error = refused(*words)
    assert (error.code, error.exit_code) == ("NFV-LAB-007", ExitCode.UNREACHABLE)
    assert error.fix == "nfvcap lab up"


def test_down_and_reset_of_nothing_are_no_errors() -> None:
    assert call("down").exit_code == 0
    assert call("reset").exit_code == 0
    assert call("down", "--delete").exit_code == 0


@pytest.mark.parametrize("name", ["", "Lab", "../x", "a b", "x" * 32, "-x"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(NfvcapError) as caught:
        Lab(name)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_path_too_long_for_sockets_is_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("x" * 100)))
    assert "XDG_CACHE_HOME" in refused("status").fix


def test_ports_are_0_and_1() -> None:
    assert call("wire", "send", "--port", "2").exit_code == ExitCode.USAGE


def test_the_status_of_a_running_lab_in_words(tmp_path: Path) -> None:
    lab = Lab("x")
    state = State("abc", 2222, "tcg", "/dev/kvm does not exist", "10.0.13", "system", "it fits", boot_s=61.2)
    from nfvcap.lab.state import Status

    status = Status.running(
        "x",
        lab.paths,
        5 << 20,
        state=state,
        age_s=3,
        answering=True,
        pid=7,
        wires={0: False, 1: True},
        resets=["2026-11-27T10:00:00+00:00 reset: the boot wrote nothing for 150 s"],
    )
    text = "\n".join(lines(status))
    assert "x: up since" in text
    assert "tcg: /dev/kvm does not exist" in text
    assert "port 0" in text and "no listener" in text
    assert "watchdog     2026-11-27T10:00:00+00:00 reset" in text
    silent = Status.running(
        "x", lab.paths, 0, state=state, age_s=3, answering=False, pid=7, wires={0: False, 1: False}, resets=[]
    )
    assert silent.state == "silent"


def test_a_state_file_of_another_version_is_no_state(tmp_path: Path) -> None:
    lab = Lab("x")
    lab.paths.directory.mkdir(parents=True)
    lab.paths.state.write_text('{"foo": 1}')
    assert State.load(lab.paths) is None
    lab.paths.state.write_text("{")
    assert State.load(lab.paths) is None
