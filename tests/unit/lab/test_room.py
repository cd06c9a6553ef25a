# SPDX-License-Identifier: Apache-2.0
"""What the lab wants of this machine: one set of figures for README, doctor and `lab up`."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from nfvcap.cli.main import cli
from nfvcap.doctor import controller
from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.lab import boot, image, room
from nfvcap.model.result import Check, Verdict
from nfvcap.model.units import GIB


class Machine:
    """What is free on this machine; ``began`` holds what was built or started."""

    def __init__(self) -> None:
        self.memory_bytes, self.disk_bytes, self.cores = 64 * GIB, 64 * GIB, 4
        self.began: list[str] = []

    def begin(self, what: str) -> None:
        self.began.append(what)
        raise NfvcapError("NFV-LAB-005", "as far as this test goes")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    it = Machine()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(room, "_available_bytes", lambda: it.memory_bytes)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _path: SimpleNamespace(free=it.disk_bytes))
    monkeypatch.setattr(room, "cores", lambda: it.cores)
    monkeypatch.setattr(image, "ensure", lambda _stages: it.begin("build"))
    monkeypatch.setattr(boot.Start, "choose", lambda *_: it.begin("start"))
    return it


def up() -> Result:
    return CliRunner().invoke(cli, ["lab", "up"], standalone_mode=False)


def refusal() -> NfvcapError:
    error = up().exception
    assert isinstance(error, NfvcapError)
    return error


def findings() -> dict[str, Check]:
    return {check.id: check for check in controller.examine()}


def test_too_little_memory_is_refused_before_anything_is_built(machine: Machine) -> None:
    machine.memory_bytes = room.LEAST_MEMORY_BYTES - 1
    error = refusal()
    assert (error.code, error.exit_code) == ("NFV-LAB-006", ExitCode.USAGE)
    assert "memory" in error.what and "8 GiB wanted and 4 GiB needed" in error.why
    assert error.fix == "stop other programs" and not machine.began


def test_too_little_disk_is_refused_and_the_place_named(machine: Machine, tmp_path: Path) -> None:
    machine.disk_bytes = room.LEAST_DISK_BYTES - 1
    error = refusal()
    assert error.code == "NFV-LAB-006" and "disk" in error.what
    assert str(tmp_path) in error.fix and not machine.began


def test_with_an_image_the_disk_has_only_to_grow(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "find", lambda: image.Image(image.images_dir() / "x"))
    machine.disk_bytes = room.LEAST_GROWTH_BYTES
    assert refusal().code == "NFV-LAB-005" and machine.began
    machine.began.clear()
    machine.disk_bytes -= 1
    assert refusal().code == "NFV-LAB-006" and not machine.began


def test_what_is_scarce_is_said_and_no_reason_to_refuse(machine: Machine) -> None:
    machine.memory_bytes, machine.disk_bytes, machine.cores = room.LEAST_MEMORY_BYTES, room.DISK_BYTES - 1, 1
    result = up()
    assert machine.began == ["build"]
    assert "memory: 4.0 GiB free, 8 GiB wanted" in result.stderr and "1 core, 2 wanted" in result.stderr
    assert "disk: 15.0 GiB free, 15 GiB wanted" in result.stderr


def test_enough_is_no_word_worth(machine: Machine) -> None:
    machine.memory_bytes, machine.disk_bytes, machine.cores = room.MEMORY_BYTES, room.DISK_BYTES, room.CORES
    assert "wanted" not in up().stderr and machine.began


@pytest.mark.parametrize(
    ("check", "field", "enough"),
    [
        ("NFV-DOC-006", "disk_bytes", room.DISK_BYTES),
        ("NFV-DOC-009", "memory_bytes", room.MEMORY_BYTES),
        ("NFV-DOC-010", "cores", room.CORES),
    ],
)
def test_doctor_asks_for_what_the_readme_asks_for(machine: Machine, check: str, field: str, enough: int) -> None:
    setattr(machine, field, enough)
    assert findings()[check].verdict is Verdict.PASS
    setattr(machine, field, enough - 1)
    found = findings()[check]
    assert found.verdict is Verdict.WARN and "only the lab" in found.fix.lower()


def test_doctor_counts_what_running_labs_have(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.memory_bytes = room.MEMORY_BYTES - 1
    monkeypatch.setattr(controller, "_of_running_labs_bytes", lambda: 2 * GIB)
    found = findings()["NFV-DOC-009"]
    assert found.verdict is Verdict.PASS and found.found.endswith("2 GiB in labs that run")


def test_the_memory_of_a_process_is_read() -> None:
    from nfvcap.lab.process import resident_bytes

    assert GIB // 256 < resident_bytes(os.getpid()) < 8 * GIB
    assert resident_bytes(2**22 + 1) == 0


def test_the_readme_asks_for_these_figures(top: Path) -> None:
    words = f"{room.CORES} cores, {room.MEMORY_BYTES // GIB} GiB of free memory, {room.DISK_BYTES // GIB} GiB of disk"
    assert words in " ".join((top / "README.md").read_text().split())
