# SPDX-License-Identifier: Apache-2.0
"""What a lab does in which state, with stand-ins for the machine and its boot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from nfvcap.errors import NfvcapError
from nfvcap.lab import Lab, boot, process, room
from nfvcap.lab import image as images
from nfvcap.lab.image import Image
from nfvcap.lab.state import State
from nfvcap.lab.text import lines


class Machine:
    """Stands in for QEMU: runs or not, and remembers what was done to it."""

    def __init__(self) -> None:
        self.running = False
        self.done: list[str] = []
        self.boot: Callable[[], None] = lambda: None

    def choose(self, _name: str, _paths: object, image: Image, _stages: object) -> SimpleNamespace:
        return SimpleNamespace(run=lambda: self.start(image))

    def start(self, image: Image) -> None:
        self.done.append(f"start {image.directory.name}")
        self.running = True

    def wait_ready(self, *_: object) -> None:
        self.done.append("wait")
        self.boot()

    def kill(self, *_: object) -> None:
        if self.running:
            self.done.append("kill")
        self.running = False


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    it = Machine()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(boot.Start, "choose", it.choose)
    monkeypatch.setattr(boot, "wait_ready", it.wait_ready)
    monkeypatch.setattr(process, "kill", it.kill)
    monkeypatch.setattr(process, "find", lambda *_: 4711 if it.running else None)
    monkeypatch.setattr(room, "require", lambda *_: None)
    monkeypatch.setattr(images, "ensure", lambda _stages: Image(images.images_dir() / "newest"))
    return it


@pytest.fixture
def lab(machine: Machine) -> Lab:
    lab = Lab("x")
    lab.paths.directory.mkdir(parents=True)
    return lab


def record(lab: Lab, *, image: str = "newest", port: int = 2222, boot_s: float = 60.0) -> None:
    State(image, port, "tcg", "", "10.0.13", "system", "", boot_s).save(lab.paths)


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise NfvcapError("NFV-LAB-005", "no boot")


def test_a_pristine_disk_and_a_used_one_are_booted(lab: Lab, machine: Machine) -> None:
    lab.up()
    assert machine.done == ["start newest", "wait"]
    machine.kill()
    lab.paths.overlay.touch()
    record(lab)
    (images.images_dir() / "newest").mkdir(parents=True)
    (images.images_dir() / "newest" / "disk.raw").touch()
    lab.up()
    assert machine.done[-2:] == ["start newest", "wait"]


@pytest.mark.parametrize(("what", "error"), [(interrupt, KeyboardInterrupt), (fail, NfvcapError)])
def test_what_up_started_does_not_outlive_its_failure(
    lab: Lab, machine: Machine, what: Callable[[], None], error: type[BaseException]
) -> None:
    machine.boot = what
    with pytest.raises(error):
        lab.up()
    assert machine.done == ["start newest", "wait", "kill"]


def test_what_ran_before_survives_an_interrupted_up(lab: Lab, machine: Machine) -> None:
    machine.running, machine.boot = True, interrupt
    record(lab)
    with pytest.raises(KeyboardInterrupt):
        lab.up()
    assert machine.done == ["wait"]


class Stopped:
    """QEMU's control socket after a disk that was full."""

    asked: ClassVar[list[str]] = []

    def __init__(self, _path: Path) -> None:
        pass

    def __enter__(self) -> Stopped:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, command: str) -> dict[str, str]:
        self.asked.append(command)
        return {"status": "io-error"} if command == "query-status" else {}


def test_a_machine_that_stands_still_because_the_disk_was_full_says_so_and_goes_on(
    lab: Lab, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(lab)
    machine.running = True
    monkeypatch.setattr("nfvcap.lab.lab.Qmp", Stopped)
    monkeypatch.setattr(process, "age_s", lambda _pid: 60.0)
    status = lab.status()
    assert status.state == "stopped" and "make room" in lines(status)[0]
    Stopped.asked.clear()
    lab.up()
    assert Stopped.asked == ["query-status", "cont"] and machine.done == ["wait"]


def test_a_half_started_machine_is_replaced(lab: Lab, machine: Machine) -> None:
    machine.running = True
    record(lab, port=0, boot_s=0)
    lab.up()
    assert machine.done == ["kill", "start newest", "wait"]


def test_a_disk_stays_on_the_image_that_it_was_made_from(lab: Lab, machine: Machine) -> None:
    record(lab, image="older")
    lab.paths.overlay.touch()
    own = images.images_dir() / "older" / "disk.raw"
    with pytest.raises(NfvcapError) as caught:
        lab.up()
    assert caught.value.code == "NFV-LAB-009"
    own.parent.mkdir(parents=True)
    own.touch()
    lab.up()
    assert machine.done[-2:] == ["start older", "wait"]


def test_reset_takes_the_newest_image(lab: Lab, machine: Machine) -> None:
    record(lab, image="older")
    lab.paths.overlay.touch()
    lab.up(
        reset=True,
    )
    assert machine.done == ["start newest", "wait"]
    assert not lab.paths.overlay.exists()


def test_what_has_not_booted_is_not_asked_to_shut_down(
    lab: Lab, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lab, "_shut_down", lambda _self: machine.done.append("power button"))
    machine.running = True
    record(lab, boot_s=0)
    assert lab.down()
    assert machine.done == ["kill"]
    machine.running = True
    record(lab)
    assert lab.down()
    assert machine.done[1:] == ["power button", "kill"]


def test_a_power_cut_keeps_the_disk_and_delete_does_not(lab: Lab, machine: Machine) -> None:
    lab.paths.overlay.touch()
    machine.running = True
    lab.power_cut()
    assert lab.paths.overlay.exists() and not machine.running
    lab.down(delete=True)
    assert not lab.paths.directory.exists()
