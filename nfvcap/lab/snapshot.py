# SPDX-License-Identifier: Apache-2.0
"""The pristine lab server as it was right after its first boot: going on from there takes seconds, a boot a minute.

The snapshot holds disk and memory of one moment. It stands beside the image, one for each way to run the machine, since
another QEMU or another command line could not go on with it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from nfvcap.errors import NfvcapError
from nfvcap.lab import access, boot, process
from nfvcap.lab.boot import Start
from nfvcap.lab.qmp import Qmp
from nfvcap.lab.stages import Stages
from nfvcap.lab.topology import Paths, arguments

TAG = "first-boot"
_SETTLE_TIMEOUT_S = 180
_RESUME_TIMEOUT_S = 120
_SAVE_TIMEOUT_S = 120


@dataclass(frozen=True)
class Snapshot:
    """The snapshot that fits a start; it may not exist yet."""

    start: Start

    @property
    def directory(self) -> Path:
        # Name and places of the lab differ from lab to lab, and do not matter.
        any_lab = replace(self.start.machine(Paths(Path("/lab"))), name="any")
        facts = [self.start.qemu.version, _processor(self.start.accelerator.name), *arguments(any_lab)]
        digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:12]
        return self.start.image.directory / f"{TAG}-{digest}"

    def exists(self) -> bool:
        return self.directory.is_dir()

    def resume(self, stages: Stages) -> bool:
        """Give the lab a copy and go on from it; False, and said so, when QEMU cannot."""
        paths = self.start.paths
        with stages.stage("going on from the first boot's snapshot"):
            # The disk last: a lab has one whole, or none.
            for path in (paths.variables, paths.overlay):
                scratch = path.with_suffix(".new")
                shutil.copyfile(self.directory / path.name, scratch)
                scratch.rename(path)
            try:
                self.start.run("-loadvm", TAG)
                boot.wait_ready(self.start.name, paths, Stages(), _RESUME_TIMEOUT_S)
                _set_clock(self.start.name, paths)
            except NfvcapError as error:
                stages.say(f"  the snapshot is of no use: {error}")
                process.kill(self.start.name, paths)
                paths.overlay.unlink()
                paths.variables.unlink()
                shutil.rmtree(self.directory)
                return False
        return True

    def take(self, stages: Stages) -> bool:
        """Keep the running, just booted lab: it is ended, and its disk becomes the snapshot.

        False, and said so, when QEMU cannot save it; it goes on running then.
        """
        start, paths = self.start, self.start.paths
        with stages.stage("keeping a snapshot of the first boot"):
            try:
                _settle(start.name, paths)
            except NfvcapError as error:
                stages.say(f"  there will be no snapshot: {error}")
                return False
            with Qmp(paths.qmp, _SAVE_TIMEOUT_S) as qmp:
                if said := qmp.monitor(f"savevm {TAG}").strip():
                    stages.say(f"  there will be no snapshot, QEMU says: {said}")
                    return False
                qmp.execute("quit")
            process.wait_gone(start.name, paths, timeout_s=60)
            scratch = Path(tempfile.mkdtemp(prefix=f".{TAG}-", dir=start.image.directory))
            for path in (paths.overlay, paths.variables):
                shutil.move(path, scratch / path.name)
            if self.exists():
                # Another lab was faster; one is as good as the other.
                shutil.rmtree(scratch)
            else:
                scratch.rename(self.directory)
        return True


def _settle(name: str, paths: Paths) -> None:
    """Wait until everything has been started, and let go of what the boot read."""
    words = ["systemctl", "is-system-running", "--wait", ";", "sync", ";", "echo", "3", ">/proc/sys/vm/drop_caches"]
    access.ssh(name, paths, words, timeout_s=_SETTLE_TIMEOUT_S, check=True, stdin=None)


def _set_clock(name: str, paths: Paths) -> None:
    """The server believes that no time has gone by since the snapshot."""
    words = ["date", "--utc", "--set", f"@{int(time.time())}", ">/dev/null", "&&", "hwclock", "--systohc"]
    access.ssh(name, paths, words, timeout_s=60, check=True, stdin=None)


def _processor(accelerator: str) -> str:
    """With KVM the machine has this machine's processor, and a snapshot goes on only on the same one."""
    if accelerator != "kvm":
        return "emulated"
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith("model name")), "unknown")
