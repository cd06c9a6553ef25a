# SPDX-License-Identifier: Apache-2.0
"""One lab server by name: bring it up, look at it, log in, cut its power, take it down."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from nfvcap.errors import ExitCode, NfvcapError
from nfvcap.lab import access, boot, console, image, process, room, watchdog
from nfvcap.lab.errors import LabError
from nfvcap.lab.image import Image
from nfvcap.lab.locks import locked
from nfvcap.lab.qmp import Qmp
from nfvcap.lab.stages import Say, Stages, silent
from nfvcap.lab.state import State, Status
from nfvcap.lab.topology import PORTS, Paths
from nfvcap.lab.wire import Wire, listening
from nfvcap.paths import cache_dir
from nfvcap.run import Completed

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_POWERDOWN_TIMEOUT_S = 90
# An up that waits for a boot holds the lock for its whole time.
_LOCK_WAIT_S = 600
# Paths of UNIX sockets have at most 107 bytes; the longest name that has to fit is "port0.wire".
_LONGEST_DIRECTORY = 96


def labs_dir() -> Path:
    """Where labs have their disks, sockets and logs."""
    return cache_dir() / "labs"


def names() -> list[str]:
    """Names of all labs that have a directory, running or not."""
    return sorted(path.name for path in labs_dir().glob("*") if path.is_dir() and _NAME.fullmatch(path.name))


def images_in_use() -> set[str]:
    """Names of the images that disks of labs stand on."""
    states = [State.load(Paths(labs_dir() / name)) for name in names()]
    return {state.image for state in states if state is not None}


class Lab:
    """An emulated lab server.

    Args:
        name: lower-case letters, digits and hyphens; labs of different names run side by side.
        say: takes lines of progress.

    Raises:
        LabError: NFV-LAB-004 the name does not fit.
    """

    def __init__(self, name: str = access.DEFAULT_LAB, say: Say = silent) -> None:
        if not _NAME.fullmatch(name):
            raise LabError(
                4, f"{name!r} is no name for a lab", "lower-case letters, digits and hyphens, at most 31",
                "try --name test1", ExitCode.USAGE,
            )  # fmt: skip
        self.name, self.say = name, say
        self.paths = Paths(labs_dir() / name)
        if len(str(self.paths.directory)) > _LONGEST_DIRECTORY:
            raise LabError(
                4, "the path of the lab's directory is too long for sockets", str(self.paths.directory),
                "set XDG_CACHE_HOME to a shorter path", ExitCode.USAGE,
            )  # fmt: skip

    # -- life -------------------------------------------------------------------------------------------------

    def up(self, *, reset: bool = False, timeout_s: float = boot.TIMEOUT_S) -> Stages:
        """Boot the lab server and wait until root can log in; a lab that is up is left as it is.

        Args:
            reset: start from the pristine disk; else the disk is as it was left.
            timeout_s: limit for the boot itself.

        Returns:
            The stages with their times.

        Raises:
            LabError: NFV-LAB-005 it did not boot (nothing is left running), NFV-LAB-006 too little memory or disk,
                NFV-LAB-009 the image under its disk is gone.
        """
        stages = Stages(self.say)
        with self._lock():
            if reset:
                self._stop_now()
                self._drop_disk()
            if self.pid() is not None and boot.half_started(self.paths):
                self._stop_now()
            if self.pid() is not None:
                self._go_on()
                boot.wait_ready(self.name, self.paths, stages, timeout_s)
            else:
                self._start(stages, timeout_s)
        return stages

    def down(self, *, power_cut: bool = False, delete: bool = False) -> bool:
        """Shut the lab server down; its disk stays unless ``delete``.

        Args:
            power_cut: end it at once, without a shutdown.
            delete: remove the lab's directory.

        Returns:
            False when it was not running.
        """
        with self._lock():
            running = self.pid() is not None
            state = State.load(self.paths)
            # What has not booted yet does not hear the power button.
            if running and state is not None and state.boot_s and not power_cut and not delete:
                self._shut_down()
            self._stop_now()
            if delete and self.paths.directory.exists():
                shutil.rmtree(self.paths.directory)
        return running

    def power_cut(self) -> None:
        """End the lab server as if the power failed; :meth:`up` boots its disk again."""
        self.down(power_cut=True)

    def reset(self) -> None:
        """Back to the pristine disk, in seconds; the lab is down afterwards."""
        with self._lock():
            self._stop_now()
            self._drop_disk()

    # -- looking and touching ---------------------------------------------------------------------------------

    def pid(self) -> int | None:
        """Process id of its QEMU while it runs."""
        return process.find(self.name, self.paths)

    def status(self) -> Status:
        """What is there right now; reads only."""
        pid, state = self.pid(), State.load(self.paths)
        size = self.paths.overlay.stat().st_blocks * 512 if self.paths.overlay.exists() else 0
        if pid is None:
            return Status.down(self.name, self.paths, size)
        state = state or State("", 0, "", "", "", "", "")
        answering = access.greets(state.port)
        wires = {port.index: listening(self.paths.wire(port)) for port in PORTS}
        return Status.running(
            self.name,
            self.paths,
            size,
            state=state,
            age_s=process.age_s(pid),
            answering=answering,
            stopped=not answering and self._stopped(),
            pid=pid,
            wires=wires,
            resets=watchdog.resets(self.paths),
        )

    def ssh(
        self, words: list[str], *, timeout_s: float = 120, check: bool = True, stdin: str | None = None
    ) -> Completed:
        """Run a command as root in the lab server; the words are joined by spaces and read by its shell.

        Raises:
            LabError: NFV-LAB-007 it is not running.
            NfvcapError: NFV-RUN-002 time limit, NFV-RUN-003 exit status other than 0 (only with ``check``).
        """
        self.require_running()
        return access.ssh(self.name, self.paths, words, timeout_s=timeout_s, check=check, stdin=stdin)

    def ansible_vars(self) -> dict[str, str]:
        """Connection variables of this lab for an Ansible inventory."""
        return {
            "ansible_host": access.alias(self.name),
            "ansible_ssh_common_args": f"-F {self.paths.ssh_config}",
        }

    def wire(self, port: int) -> Wire:
        """The far end of a port's cable; use as a context manager.

        Raises:
            LabError: NFV-LAB-007 not running, NFV-LAB-008 there is no such port or the wire is in use.
        """
        if port not in range(len(PORTS)):
            raise LabError(8, f"there is no port {port}", f"ports are 0 to {len(PORTS) - 1}", "", ExitCode.USAGE)
        self.require_running()
        return Wire(self.paths.wire(PORTS[port]), self.paths.nic(PORTS[port]))

    def monitor(self, line: str) -> str:
        """A command of QEMU's human monitor (``info pci``)."""
        with Qmp(self.paths.qmp) as qmp:
            return qmp.monitor(line)

    def console_text(self) -> str:
        """The log of the serial console as plain text."""
        return console.read(self.paths.console)

    def require_running(self) -> None:
        if self.pid() is None:
            name = "" if self.name == access.DEFAULT_LAB else f" --name {self.name}"
            raise LabError(7, f"lab {self.name!r} is not running", "", f"nfvcap lab up{name}", ExitCode.UNREACHABLE)

    # -- inside -----------------------------------------------------------------------------------------------

    def _start(self, stages: Stages, timeout_s: float) -> None:
        built = image.find() is not None or self.paths.overlay.exists()
        room.require(self.paths.directory, built, stages.say)
        try:
            boot.Start.choose(self.name, self.paths, self._image(stages), stages).run()
            boot.wait_ready(self.name, self.paths, stages, timeout_s)
        except BaseException:
            # Ctrl-C included: whoever starts a lab leaves no half of it running.
            self._stop_now()
            raise

    def _stopped(self) -> bool:
        """QEMU stops a machine whose disk could not be written: this machine's disk is full."""
        with suppress(NfvcapError), Qmp(self.paths.qmp) as qmp:
            return bool(qmp.execute("query-status")["status"] == "io-error")
        return False

    def _go_on(self) -> None:
        if self._stopped():
            self.say("  it stood still because the disk was full; it goes on ...")
            with Qmp(self.paths.qmp) as qmp:
                qmp.execute("cont")

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self.paths.lock, f"another command on lab {self.name!r}", wait_s=_LOCK_WAIT_S, say=self.say)

    def _image(self, stages: Stages) -> Image:
        """The image that the disk stands on: an existing disk keeps the one it was made from."""
        recorded = State.load(self.paths)
        if recorded is None or not self.paths.overlay.exists():
            return image.ensure(stages)
        own = Image(image.images_dir() / recorded.image)
        if not own.disk.exists():
            raise LabError(
                9, f"the image under the disk of lab {self.name!r} is gone", str(own.directory),
                "start from the pristine disk: nfvcap lab up --reset",
            )  # fmt: skip
        return own

    def _shut_down(self) -> None:
        """Press the power button; whoever does not react in time is cut off."""
        self.say("  shutting down ...")
        started = time.monotonic()
        try:
            with Qmp(self.paths.qmp) as qmp:
                qmp.execute("system_powerdown")
        except NfvcapError as error:
            self.say(f"  {error.what}; cutting its power")
            return
        if process.wait_gone(self.name, self.paths, _POWERDOWN_TIMEOUT_S):
            self.say(f"  shut down: {time.monotonic() - started:.1f} s")
        else:
            self.say(f"  no reaction within {_POWERDOWN_TIMEOUT_S} s; cutting its power")

    def _stop_now(self) -> None:
        process.stop(self.name, self.paths)

    def _drop_disk(self) -> None:
        for path in (self.paths.overlay, self.paths.variables, self.paths.state):
            path.unlink(missing_ok=True)
