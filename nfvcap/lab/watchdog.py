# SPDX-License-Identifier: Apache-2.0
"""The lab server's watchdog: resets a machine whose boot hangs, and ends one whose starter died.

QEMU's emulation of many processors on a few loses an interrupt now and then. The kernel that waits for it stands
still for ever: seen in about one of thirty boots. A process of its own, which lives as long as the machine, watches the
serial console, also when `provision` reboots the server, as the management controller of a real server does; whoever
waits for the boot only sees it take longer.

Until the machine is up for the first time it belongs to the command that started it. That command holds the lab's lock,
and the kernel takes the lock from it however it ends: a lock that is free before the boot is done means that nobody
waits for this machine, and nothing of it is left. Another command that takes the lock first takes the machine over.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nfvcap.errors import NfvcapError
from nfvcap.lab import console, process
from nfvcap.lab.errors import LabError
from nfvcap.lab.locks import locked
from nfvcap.lab.qmp import Qmp
from nfvcap.lab.state import State
from nfvcap.lab.topology import Paths

# The longest silence of a good boot was 23 s on an idle machine, five times that on one with a load of 15.
SILENCE_S = 150.0
_RESETS = 3
_POLL_S = 0.5
# A QEMU that was being started when its starter died writes its process id within this time or not at all.
_BIRTH_S = 5.0
# The last of these in the log tells where the machine is.
_MARKS = re.compile(r"(?P<up>^\S+ login: )|BdsDxe: (?:loading|starting)|reboot: Restarting system", re.MULTILINE)
# The kernel's own word for a timer that does not fire any more; it does not recover from that.
_DEAD = "timer wakeup didn't happen"


@dataclass
class Watch:
    """What is known about the boot in progress. Pure: time and log are given.

    Args:
        silence_s: a boot that writes nothing for this long hangs.
        resets: how many resets in a row may be tried before the boot is left as it is.
    """

    silence_s: float = SILENCE_S
    resets: int = _RESETS
    tried: int = 0
    _seen: int = 0
    _since_s: float | None = None
    _from: int = 0

    def look(self, text: str, now_s: float) -> str:
        """Why the machine has to be reset now; empty when it is up, on its way, or beyond what a reset mends.

        Args:
            text: the whole console log.
            now_s: any clock that only goes forward.
        """
        if self._since_s is None or len(text) != self._seen:
            self._seen, self._since_s = len(text), now_s
        new = text[self._from :]
        marks = list(_MARKS.finditer(new))
        if marks and marks[-1]["up"]:
            self.tried = 0
            return ""
        if self.tried >= self.resets or console.fatal_in(new):
            return ""
        if _DEAD in new:
            return self._reset(now_s, "a processor's timer does not fire any more")
        if now_s - self._since_s >= self.silence_s:
            return self._reset(now_s, f"the boot wrote nothing for {self.silence_s:g} s")
        return ""

    def _reset(self, now_s: float, reason: str) -> str:
        self.tried += 1
        self._from, self._since_s = self._seen, now_s
        return reason


def start(name: str, paths: Paths) -> subprocess.Popen[bytes]:
    """Start the watchdog of a lab whose QEMU is about to be started; it ends with that.

    The caller holds the lab's lock until the boot is done.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "nfvcap.lab.watchdog", name, str(paths.directory)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
    )  # fmt: skip


def resets(paths: Paths) -> list[str]:
    """What the watchdog did since the machine was started, one line each."""
    try:
        return paths.watchdog.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def run(name: str, paths: Paths, silence_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Watch until the machine has ended, or end it when nobody waits for it before it is up."""
    pid, watch, up = _born(name, paths, sleep), Watch(silence_s), False
    # Another process under the same name is another start, with a watchdog of its own.
    while pid is not None and process.find(name, paths) == pid:
        up = up or _booted(paths)
        if not up and _ended_as_orphan(name, paths):
            return
        if reason := watch.look(console.read(paths.console), time.monotonic()):
            _reset(paths, reason)
        sleep(_POLL_S)


def _born(name: str, paths: Paths, sleep: Callable[[float], None]) -> int | None:
    """Process id of the machine as soon as it is there; None when it will not come any more."""
    while (pid := process.find(name, paths)) is None:
        with suppress(LabError), locked(paths.lock, "whoever starts the machine", wait_s=0):
            deadline = time.monotonic() + _BIRTH_S
            while process.find(name, paths) is None:
                if time.monotonic() > deadline:
                    return None
                sleep(_POLL_S)
            process.stop(name, paths)
            return None
        sleep(_POLL_S)
    return pid


def _booted(paths: Paths) -> bool:
    state = State.load(paths)
    return state is not None and state.boot_s > 0


def _ended_as_orphan(name: str, paths: Paths) -> bool:
    """End the machine when nobody holds the lock; tells whether it did."""
    with suppress(LabError), locked(paths.lock, "whoever waits for the boot", wait_s=0):
        if not _booted(paths):
            process.stop(name, paths)
            return True
    return False


def _reset(paths: Paths, reason: str) -> None:
    done = "reset"
    try:
        with Qmp(paths.qmp) as qmp:
            qmp.execute("system_reset")
    except NfvcapError as error:
        done = f"could not be reset ({error.what})"
    with paths.watchdog.open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {done}: {reason}\n")


if __name__ == "__main__":
    run(sys.argv[1], Paths(Path(sys.argv[2])), float(os.environ.get("NFVCAP_LAB_SILENCE_S", SILENCE_S)))
