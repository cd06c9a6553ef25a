# SPDX-License-Identifier: Apache-2.0
"""Captures of every day on another machine: each has a name there, and a directory with its files under it.

Nothing ends them but `stop`, their own limits, or the machine. What they wrote stays until somebody removes it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nfvcap.agent.options import CaptureOptions
from nfvcap.agent.remote import RemoteCapture
from nfvcap.agent.reports import CaptureReport
from nfvcap.door import links
from nfvcap.door.door import Door, must, shell
from nfvcap.errors import NfvcapError, UsageError

BASE = "/var/lib/nfvcap-capture"
_NAMES = 'for d in "$1"/*/; do [ -e "$d/pid" ] && basename "$d"; done; :'
# Twice, a second apart: what was counted in between is the rate of now.
_SAMPLES = """
cd "$1" || exit 1
[ -e pid ] || exit 1
state=ended
[ -s status ] || { grep -q nfvcap-agent "/proc/$(cat pid)/cmdline" 2>/dev/null && state=running; }
echo "$state"; cat metrics 2>/dev/null; echo '# EOS'
[ "$state" = ended ] || { sleep "$2"; cat metrics 2>/dev/null; }
echo '# EOS'
ls -l | while read -r _ _ _ _ size _ _ _ name; do case $name in *.pcap|*.pcapng) echo "$size $name" ;; esac; done
echo '# EOS'
# Not df: busybox's leaves out a root file system that is memory.
stat -f -c '%a %S %b' .
"""
# A file is closed when the agent has it open no more; others of its name begin with a dot until they are begun.
_CLOSED = """
cd "$1" || exit 1
[ -s status ] && p=none || p=$(cat pid)
open=$(for f in /proc/$p/fd/*; do readlink "$f"; done 2>/dev/null)
here=$(pwd -P)
for f in *.pcap *.pcapng; do
  [ -e "$f" ] || continue
  case "
$open
" in *"
$here/$f
"*) ;; *) echo "$(wc -c <"$f") $(sha256sum <"$f" | cut -d' ' -f1) $f" ;; esac
done
"""
_OF_KERNEL = ("af_packet:", "af_xdp:")
_LINE = re.compile(r'^nfvcap_(\w+)_total\{port="([^"]*)"(?:,queue="\d+")?\} (\d+)$', re.MULTILINE)
_LOST = ("lost_buffer", "lost_full", "lost_write", "nic_missed", "nic_no_mbuf", "nic_errors")


@dataclass(frozen=True)
class Counts:
    """Packets so far, and where some were lost."""

    received: int = 0
    stored: int = 0
    stored_bytes: int = 0
    filtered: int = 0
    lost: tuple[tuple[str, int], ...] = ()

    @property
    def dropped(self) -> int:
        return sum(count for _, count in self.lost)


@dataclass(frozen=True)
class Status:
    """One capture as it is: ``second`` is a moment after ``first`` while it runs."""

    name: str
    running: bool
    first: Counts
    second: Counts
    interval_s: float
    files: int
    bytes: int
    free_bytes: int | None  # None: the file system has no size, as that of a guest that lives in memory


@dataclass(frozen=True)
class ClosedFile:
    name: str
    size_bytes: int
    sha256: str


class Everyday:
    """The captures of one machine.

    Args:
        door: the way there.
        program: the agent there.
        base: where they have their directories.
    """

    def __init__(self, door: Door, program: str, base: str = BASE) -> None:
        self._door, self._program, self._base = door, program, base

    def directory(self, name: str) -> str:
        return f"{self._base}/{name}"

    def names(self) -> list[str]:
        """Captures that run, or ran and have not been removed."""
        return shell(self._door, _NAMES, self._base).stdout.split()

    def up(self, ports: Sequence[str]) -> list[str]:
        """Set up those interfaces of the kernel that are down, from which nothing could be captured; which these were.

        Raises:
            NfvcapError: an interface cannot be set up, or is not there.
        """
        return links.up(self._door, [port.partition(":")[2] for port in ports if port.startswith(_OF_KERNEL)])

    def start(self, name: str, options: CaptureOptions, *, ready_s: float = 90) -> None:
        """Begin one; packets are stored when this returns.

        Raises:
            UsageError: NFV-CAP-001 one of that name runs.
            NfvcapError: it does not start.
        """
        capture = self._capture(name)
        if capture.alive():
            raise UsageError(
                "NFV-CAP-001", f"a capture {name} runs on {self._door.name}", f"in {self.directory(name)}",
                "stop it first, or give the new one another --name",
            )  # fmt: skip
        must(shell(self._door, 'mkdir -p "$1"', self._base), self._door)
        capture.start(options, ready_s=ready_s, lasting=True)

    def status(self, name: str, interval_s: float = 1.0) -> Status:
        """How it goes. Raises UsageError, NFV-CAP-002: there is none of that name."""
        done = shell(self._door, _SAMPLES, self.directory(name), f"{interval_s:g}", timeout_s=60 + interval_s)
        if not done.ok:
            raise self._unknown(name)
        before, after, files, disk = done.stdout.split("# EOS\n")
        state, _, metrics = before.partition("\n")
        running = state == "running"
        sizes = [int(line.split()[0]) for line in files.splitlines()]
        first = _counts(metrics)
        available, block_bytes, blocks = map(int, disk.split())
        return Status(
            name, running, first, _counts(after) if running else first, interval_s, len(sizes), sum(sizes),
            available * block_bytes if blocks else None,
        )  # fmt: skip

    def stop(self, name: str) -> CaptureReport:
        """End it with whole files; of one that has ended by itself, its report.

        Raises:
            UsageError: NFV-CAP-002.
            NfvcapError: NFV-AGENT-003 it failed or does not end.
        """
        self.must_exist(name)
        return self._capture(name).stop()

    def begin_new_files(self, name: str) -> None:
        """Close what is open now, so that it can be had."""
        self.must_exist(name)
        must(shell(self._door, 'kill -HUP "$(cat "$1/pid")" && sleep 1', self.directory(name)), self._door)

    def closed(self, name: str) -> list[ClosedFile]:
        """Files that nobody writes to any more, oldest name first. Raises UsageError, NFV-CAP-002."""
        done = shell(self._door, _CLOSED, self.directory(name), timeout_s=600)
        if not done.ok:
            raise self._unknown(name)
        words = [line.split(" ", 2) for line in done.stdout.splitlines()]
        return [ClosedFile(file, int(size), digest) for size, digest, file in words]

    def pull(self, name: str, file: ClosedFile, into: Path, *, remove: bool) -> Path:
        """Bring a closed file home; it is compared before one there is removed.

        Raises:
            UsageError: NFV-CAP-006 another file has its name here.
            NfvcapError: NFV-CAP-004 it came home damaged, or the way failed.
        """
        target = into / file.name
        there = f"{self.directory(name)}/{file.name}"
        if target.exists() and _digest(target) != file.sha256:
            # Two guests may call their files the same; what is here may be the only copy of the other's.
            raise UsageError(
                "NFV-CAP-006", f"{target} is there and is another file", f"{file.name} of {self._door.name} differs",
                "--to a directory of its own for each guest, or a --name of its own for each capture",
            )  # fmt: skip
        if not target.exists():
            self._door.fetch(there, target)
            if _digest(target) != file.sha256:
                target.unlink()
                raise NfvcapError(
                    "NFV-CAP-004", f"{file.name} came home damaged", f"from {self._door.name}", "pull it again"
                )
        if remove:
            must(shell(self._door, 'rm "$1"', there), self._door)
        return target

    def remove(self, name: str) -> None:
        """End it and remove it with all its files."""
        self.must_exist(name)
        self._capture(name).remove()

    def _capture(self, name: str) -> RemoteCapture:
        return RemoteCapture(self._door, self._program, self.directory(name))

    def must_exist(self, name: str) -> None:
        """Raises UsageError: NFV-CAP-002 there is no such capture."""
        if not shell(self._door, '[ -e "$1/pid" ]', self.directory(name)).ok:
            raise self._unknown(name)

    def _unknown(self, name: str) -> UsageError:
        names = ", ".join(self.names()) or "none"
        return UsageError(
            "NFV-CAP-002", f"there is no capture {name} on {self._door.name}", f"there are: {names}",
            "start one, or correct --name",
        )  # fmt: skip


def _counts(metrics: str) -> Counts:
    """Sums over ports and queues of what the agent keeps in its metrics file."""
    sums: dict[str, int] = {}
    for key, _, value in _LINE.findall(metrics):
        sums[key] = sums.get(key, 0) + int(value)
    lost: Sequence[tuple[str, int]] = [(key, sums[key]) for key in _LOST if sums.get(key)]
    return Counts(
        sums.get("received", 0), sums.get("stored", 0) + sums.get("counted", 0), sums.get("stored_bytes", 0),
        sums.get("filtered", 0), tuple(lost),
    )  # fmt: skip


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lost_of(report: CaptureReport) -> dict[str, int]:
    """Where a capture that has ended lost packets."""
    total = report.total
    rows = {
        "lost_buffer": total.lost_buffer, "lost_full": total.lost_full, "lost_write": total.lost_write,
        "nic_missed": report.nic_missed or 0, "nic_no_mbuf": sum(port.nic_no_mbuf for port in report.ports),
        "nic_errors": sum(port.nic_errors for port in report.ports),
    }  # fmt: skip
    return {key: count for key, count in rows.items() if count}
