# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for QEMU are hand-made scripts that answer like the real program."""

from __future__ import annotations

from pathlib import Path

import pytest

from nfvcap.lab import qemu


def stand_in(
    path: Path, version: str = "10.0.13", devices: str = 'name "igb", bus PCI', probe: str = "exit 33"
) -> list[str]:
    path.write_text(
        f"""#!/bin/sh
case "$*" in
  *--version*) echo "QEMU emulator version {version} (Debian 1:{version}+ds)" ;;
  *"-device help"*) echo '{devices}' ;;
  *) {probe} ;;
esac
"""
    )
    path.chmod(0o755)
    return [str(path)]


def test_a_proven_version_with_igb_fits(tmp_path: Path) -> None:
    assert qemu.unfit(stand_in(tmp_path / "q")) == ""


@pytest.mark.parametrize("version", ["7.2.22", "8.2.2", "10.0.2", "10.0.12", "10.1.0", "11.0.0"])
def test_other_versions_are_recognised(tmp_path: Path, version: str) -> None:
    assert version in qemu.unfit(stand_in(tmp_path / "q", version=version))


def test_a_qemu_without_igb_is_recognised(tmp_path: Path) -> None:
    assert "no igb" in qemu.unfit(stand_in(tmp_path / "q", devices='name "e1000e"'))


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """/sys/module of a machine whose KVM can nest."""
    return with_kvm(tmp_path / "module", "kvm_intel", "Y")


def with_kvm(modules: Path, kind: str, nested: str) -> Path:
    parameters = modules / kind / "parameters"
    parameters.mkdir(parents=True)
    (parameters / "nested").write_text(nested + "\n")
    return modules


def test_kvm_is_taken_only_when_a_machine_ran_on_it(tmp_path: Path, device: Path, modules: Path) -> None:
    chosen = qemu.Qemu(stand_in(tmp_path / "q"), "10.0.13", "system", "")
    assert qemu.accelerate(chosen, tmp_path / "none", modules).name == "tcg"
    assert qemu.accelerate(chosen, device, modules).name == "kvm"


@pytest.mark.parametrize(("kind", "nested"), [("kvm_intel", "N"), ("kvm_amd", "0"), ("kvm_pvm", "Y")])
def test_kvm_is_not_taken_when_guests_cannot_be_nested(tmp_path: Path, device: Path, kind: str, nested: str) -> None:
    chosen = qemu.Qemu(stand_in(tmp_path / "q"), "10.0.13", "system", "")
    found = qemu.accelerate(chosen, device, with_kvm(tmp_path / "module", kind, nested))
    assert found.name == "tcg"
    assert "nested" in found.why


def test_kvm_of_amd_can_nest_too(tmp_path: Path, device: Path) -> None:
    chosen = qemu.Qemu(stand_in(tmp_path / "q"), "10.0.13", "system", "")
    assert qemu.accelerate(chosen, device, with_kvm(tmp_path / "module", "kvm_amd", "1")).name == "kvm"


@pytest.mark.parametrize("probe", ["echo 'kvm_buf_set_msrs: Assertion failed.' >&2; exit 134", "exit 0", "exit 1"])
def test_a_kvm_that_exists_and_does_not_work_is_recognised(
    tmp_path: Path, device: Path, modules: Path, probe: str
) -> None:
    chosen = qemu.Qemu(stand_in(tmp_path / "q", probe=probe), "10.0.13", "system", "")
    found = qemu.accelerate(chosen, device, modules)
    assert found.name == "tcg"
    assert "probe machine does not run" in found.why


def test_the_last_words_of_a_failed_probe_are_the_reason(tmp_path: Path) -> None:
    chosen = qemu.Qemu(stand_in(tmp_path / "q", probe="echo 'no MSR' >&2; exit 134"), "10.0.13", "system", "")
    assert qemu.probe(chosen, "kvm") == "no MSR"
