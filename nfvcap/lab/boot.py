# SPDX-License-Identifier: Apache-2.0
"""Starting a lab server's QEMU and watching it boot; a boot that fails explains itself with its console."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from nfvcap.lab import access, console, process, qemu, watchdog
from nfvcap.lab.errors import LabError
from nfvcap.lab.image import Image
from nfvcap.lab.qemu import Accelerator, Qemu
from nfvcap.lab.qmp import Qmp
from nfvcap.lab.stages import Stages
from nfvcap.lab.state import State
from nfvcap.lab.topology import Machine, Paths, arguments
from nfvcap.run import run

TIMEOUT_S = 600.0
_POLL_S = 0.5
_FIRMWARE, _VARIABLES = "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"


@dataclass(frozen=True)
class Start:
    """Everything that one start of a lab's QEMU depends on.

    Args:
        name: name of the lab.
        paths: its files.
        image: what its disk stands on.
        qemu: program that runs it.
        accelerator: what it runs on.
    """

    name: str
    paths: Paths
    image: Image
    qemu: Qemu
    accelerator: Accelerator

    @classmethod
    def choose(cls, name: str, paths: Paths, image: Image, stages: Stages) -> Self:
        """Decide on QEMU and accelerator, and say why."""
        paths.directory.mkdir(parents=True, exist_ok=True)
        chosen = qemu.choose(image.toolbox)
        accelerator = qemu.accelerate(chosen)
        stages.say(f"  QEMU {chosen.version} ({chosen.origin}): {chosen.why}")
        stages.say(f"  {accelerator.name.upper()}: {accelerator.why}")
        return cls(name, paths, image, chosen, accelerator)

    def machine(self, paths: Paths) -> Machine:
        """The machine with its files in these places."""
        return Machine(self.name, paths, self.accelerator.name, self.image.toolbox.path(_FIRMWARE))

    def run(self) -> None:
        """Start QEMU in the background with the lab's disk (a new overlay when it has none).

        Raises:
            LabError: NFV-LAB-005 QEMU does not start.
        """
        self._prepare_disk()
        for path in self.paths.sockets():
            path.unlink(missing_ok=True)
        state = State(
            self.image.directory.name, 0, self.accelerator.name, self.accelerator.why,
            self.qemu.version, self.qemu.origin, self.qemu.why,
        )  # fmt: skip
        # Before the start: whatever happens to this command, the next one knows what is running.
        state.save(self.paths)
        words = [*self.qemu.argv, *arguments(self.machine(self.paths))]
        # Before QEMU: it ends a machine whose starter is killed, at whatever moment.
        guard = watchdog.start(self.name, self.paths)
        done = run(words, timeout_s=120, check=False, env=self.qemu.env)
        if not done.ok:
            guard.kill()
            guard.wait()
            raise LabError(5, "QEMU does not start", done.stderr.strip(), "nfvcap doctor")
        with Qmp(self.paths.qmp) as qmp:
            port = access.forwarded_port(qmp.monitor("info usernet"))
        access.write_config(self.name, self.paths, self.image, port)
        replace(state, port=port).save(self.paths)

    def _prepare_disk(self) -> None:
        image = self.image.toolbox
        if not self.paths.overlay.exists():
            words = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(self.image.disk)]
            _made_whole(self.paths.overlay, image.argv("usr/bin/qemu-img", *words))
        if not self.paths.variables.exists():
            words = ["convert", "-f", "raw", "-O", "qcow2", str(image.path(_VARIABLES))]
            _made_whole(self.paths.variables, image.argv("usr/bin/qemu-img", *words))


def half_started(paths: Paths) -> bool:
    """Was the command killed between starting QEMU and learning its ssh port?"""
    state = State.load(paths)
    return state is None or state.port == 0


def wait_ready(name: str, paths: Paths, stages: Stages, timeout_s: float) -> None:
    """Wait until root can log in.

    Raises:
        LabError: NFV-LAB-005 with the last lines of the console.
    """
    state = State.load(paths)
    pid = process.find(name, paths)
    if state is None or pid is None:
        raise _failed(paths, "QEMU ended")
    if state.boot_s and access.greets(state.port) and access.logs_in(name, paths):
        return
    expected = "about a minute" if state.accelerator == "tcg" else "a few seconds"
    with stages.stage("boot until ssh answers", expected):
        deadline, told = time.monotonic() + timeout_s, 0
        while not (access.greets(state.port) and access.logs_in(name, paths)):
            if process.find(name, paths) is None:
                raise _failed(paths, "QEMU ended during the boot")
            if reason := console.fatal(paths.console):
                raise _failed(paths, reason)
            for line in watchdog.resets(paths)[told:]:
                stages.say(f"  watchdog: {line}")
                told += 1
            if time.monotonic() > deadline:
                raise _failed(paths, f"ssh did not answer within {timeout_s:g} s")
            time.sleep(_POLL_S)
    replace(state, boot_s=round(process.age_s(pid), 1)).save(paths)


def _made_whole(path: Path, argv: list[str]) -> None:
    """Run a command that makes the file named by its last argument, so that it is there whole or not at all."""
    scratch = path.with_suffix(".new")
    run([*argv, str(scratch)], timeout_s=60)
    scratch.rename(path)


def _failed(paths: Paths, reason: str) -> LabError:
    return LabError(
        5, "the lab server did not boot", f"{reason}; the last lines of its console:\n{console.tail(paths.console)}",
        f"read {paths.console}, then try the pristine disk: nfvcap lab up --reset",
    )  # fmt: skip
