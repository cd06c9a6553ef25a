# SPDX-License-Identifier: Apache-2.0
"""What the lab wants of this machine: said in the README, asked by ``nfvcap doctor``, insisted on by ``lab up``."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from nfvcap.errors import ExitCode
from nfvcap.lab.errors import LabError
from nfvcap.lab.stages import Say
from nfvcap.model.units import GIB, format_size

CORES = 2
# As in the README: all of the server's memory; room for the image, disks that grow, tools and builds of the agent.
MEMORY_BYTES, DISK_BYTES = 8 * GIB, 15 * GIB
# Below these it cannot work: what a provisioned server with a guest really touches; an image (1.2 GiB) with its
# packages, and what a disk grows by; only the latter when the image is there.
LEAST_MEMORY_BYTES, LEAST_DISK_BYTES, LEAST_GROWTH_BYTES = 4 * GIB, 4 * GIB, 2 * GIB


@dataclass(frozen=True)
class Room:
    """Free memory or free space on the disk.

    Attributes:
        what: ``memory`` or ``disk``.
        found_bytes: what is free now.
        wanted_bytes: what makes the lab run well.
        least_bytes: what it cannot do without.
        remedy: how to get more.
    """

    what: str
    found_bytes: int
    wanted_bytes: int
    least_bytes: int
    remedy: str


def memory() -> Room:
    """Memory that programs can have without swapping."""
    return Room("memory", _available_bytes(), MEMORY_BYTES, LEAST_MEMORY_BYTES, "stop other programs")


def disk(directory: Path, built: bool) -> Room:
    """Free space where the lab's files are; ``directory`` need not exist.

    Args:
        directory: a directory in the cache.
        built: the image of the lab server is there.
    """
    there = next(path for path in (directory, *directory.parents) if path.exists())
    wanted, least = (LEAST_GROWTH_BYTES,) * 2 if built else (DISK_BYTES, LEAST_DISK_BYTES)
    return Room("disk", shutil.disk_usage(there).free, wanted, least, f"make room in {there}")


def cores() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def require(directory: Path, built: bool, say: Say) -> None:
    """Refuse what cannot work before anything is built or started, and say what is scarce.

    Raises:
        LabError: NFV-LAB-006 too little memory or disk.
    """
    for room in (memory(), disk(directory, built)):
        found, wanted = f"{room.found_bytes / GIB:.1f} GiB free", format_size(room.wanted_bytes)
        if room.found_bytes < room.least_bytes:
            raise LabError(
                6, f"too little {room.what} for the lab",
                f"{found}, {wanted} wanted and {format_size(room.least_bytes)} needed", room.remedy, ExitCode.USAGE,
            )  # fmt: skip
        if room.found_bytes < room.wanted_bytes:
            say(f"  {room.what}: {found}, {wanted} wanted: it may get slow or stop later")
    if cores() < CORES:
        say(f"  {cores()} core, {CORES} wanted: the boot takes longer than its time limit expects")


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
