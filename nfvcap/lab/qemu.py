# SPDX-License-Identifier: Apache-2.0
"""Which QEMU runs the lab, and on which accelerator: both decided by trying, both with the reason in words."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from nfvcap.errors import NfvcapError
from nfvcap.lab.toolbox import Toolbox
from nfvcap.run import run

PROGRAM = "qemu-system-x86_64"
# Versions whose SR-IOV emulation has been tried with real drivers. 7.2 has no igb, and 10.0.2 maps the registers of VFs
# to the wrong place, so that they never come up; newer series are untried. The image tree has a proven one.
_PROVEN_FROM, _PROVEN_BELOW = (10, 0, 13), (10, 1, 0)
_PROBE_TIMEOUT_S = 10
# A boot ROM of 64 KiB whose reset vector writes 0x10 to the exit port and halts: proof that the processor runs.
_PROBE_CODE = bytes([0xB0, 0x10, 0xE6, 0xF4, 0xF4])
_PROBE_STATUS = 0x10 << 1 | 1


@dataclass(frozen=True)
class Qemu:
    """A QEMU that can run the lab.

    Args:
        argv: how to call it.
        version: as it reports it.
        origin: ``system`` or ``image tree``.
        why: why this one.
        env: variables that it needs.
    """

    argv: list[str]
    version: str
    origin: str
    why: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Accelerator:
    """``kvm`` or ``tcg``, and why."""

    name: str
    why: str


def choose(toolbox: Toolbox) -> Qemu:
    """The system's QEMU when it is one of the proven versions, else the one of the image tree."""
    system = shutil.which(PROGRAM)
    if system is None:
        return _of_tree(toolbox, f"{PROGRAM} is not installed here")
    problem = unfit([system])
    if problem:
        return _of_tree(toolbox, f"{system} does not fit: {problem}")
    return Qemu([system], version([system]), "system", "a proven version with the igb device")


def unfit(argv: list[str]) -> str:
    """Why this QEMU cannot run the lab; empty when it can."""
    try:
        found = version(argv)
        devices = run([*argv, "-device", "help"], timeout_s=_PROBE_TIMEOUT_S).stdout
    except NfvcapError as error:
        return error.what
    if 'name "igb"' not in devices:
        return f"version {found} has no igb device"
    if not _PROVEN_FROM <= parse(found) < _PROVEN_BELOW:
        return f"version {found}, proven are {'.'.join(map(str, _PROVEN_FROM))} and later ones of the 10.0 series"
    return ""


def version(argv: list[str]) -> str:
    """Version that a QEMU reports (``10.0.13``), or its first line when that is not understood."""
    text = run([*argv, "--version"], timeout_s=_PROBE_TIMEOUT_S).stdout
    match = re.search(r"version (\d+(?:\.\d+)+)", text)
    return match.group(1) if match else text.splitlines()[0]


def parse(text: str) -> tuple[int, ...]:
    """``10.0.13`` → ``(10, 0, 13)``; what is no number counts as 0."""
    return tuple(int(word) if word.isdigit() else 0 for word in text.split("."))


def _of_tree(toolbox: Toolbox, why: str) -> Qemu:
    data = ["-L", str(toolbox.path("usr/share/qemu")), "-L", str(toolbox.path("usr/share/seabios"))]
    argv = [*toolbox.argv(f"usr/bin/{PROGRAM}"), *data]
    modules = {"QEMU_MODULE_DIR": str(toolbox.path("usr/lib/x86_64-linux-gnu/qemu"))}
    return Qemu(argv, version(argv), "image tree", why, modules)


def accelerate(qemu: Qemu, device: Path = Path("/dev/kvm"), modules: Path = Path("/sys/module")) -> Accelerator:
    """KVM when guests can run inside a guest of it and a tiny machine really runs with it, else TCG."""
    if not device.exists():
        return Accelerator("tcg", f"{device} does not exist")
    problem = _no_nesting(modules)
    if problem:
        return Accelerator("tcg", problem)
    problem = probe(qemu, "kvm")
    if problem:
        return Accelerator("tcg", f"a probe machine does not run on KVM: {problem}")
    return Accelerator("kvm", "a probe machine ran on it, and guests can be nested")


def _no_nesting(modules: Path) -> str:
    """Why this KVM cannot carry the guests of the lab server; empty when it can.

    Besides the two kinds that know nesting there are paravirtual ones, on which a firmware does not even start.
    """
    for kind in ("kvm_intel", "kvm_amd"):
        if (modules / kind).is_dir():
            nested = modules / kind / "parameters" / "nested"
            on = nested.is_file() and nested.read_text(encoding="ascii").strip() in ("Y", "1")
            return "" if on else f"guests inside the lab need nested virtualisation, which {kind} has off"
    return "guests inside the lab need nested virtualisation, which KVM on this machine does not have"


def probe(qemu: Qemu, accelerator: str) -> str:
    """Start a machine that executes three instructions; empty when they ran, else the last thing QEMU said."""
    model = "host" if accelerator == "kvm" else "max"
    with tempfile.TemporaryDirectory(prefix="nfvcap-probe-") as directory:
        rom = Path(directory) / "rom.bin"
        rom.write_bytes(_PROBE_CODE.rjust(0x10000 - 0x10 + len(_PROBE_CODE), b"\xf4").ljust(0x10000, b"\xf4"))
        words = [
            *qemu.argv, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16", "-bios", str(rom),
            "-machine", "q35,kernel-irqchip=split", "-accel", accelerator, "-cpu", f"{model},la57=off",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]  # fmt: skip
        try:
            done = run(words, timeout_s=_PROBE_TIMEOUT_S, check=False, env=qemu.env)
        except NfvcapError as error:
            return error.what
    if done.returncode == _PROBE_STATUS:
        return ""
    last = done.stderr.strip().splitlines()
    return last[-1] if last else f"QEMU ended with status {done.returncode}"
