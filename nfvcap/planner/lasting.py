# SPDX-License-Identifier: Apache-2.0
"""What brings each change back after a reboot: the boot loader, a file that is read at boot, or a unit of ours."""

from __future__ import annotations

from nfvcap.model.plan import Change, Desired
from nfvcap.planner import files

BOOT_LOADER = "the boot loader"
DISK = "files on the disk"
_ON_DISK = frozenset({"packages", "file", "unit", "record"})


def keeper(change: Change, desired: Desired, wanted_files: dict[str, str | None]) -> str | None:
    """Who keeps what a change makes, in words for people; None when the next boot undoes it.

    Only keepers that the same plan has count: a file that it writes, a unit that it enables, an argument that it sets.

    Args:
        change: one change of the plan.
        desired: the desired state of the same plan.
        wanted_files: its files, as in ``HostPlan.files``.
    """
    kind = change.id.partition(":")[0]
    if kind in _ON_DISK:
        return DISK
    if kind == "kernel-args":
        return BOOT_LOADER
    if kind == "hugepages":
        return _pages(change, desired, wanted_files)
    if kind in ("pf", "vf"):
        return _unit(files.SRIOV_UNIT, desired, wanted_files)
    path = {"vfio-module": files.MODULES_LOAD, "vfio-options": files.MODPROBE, "irqbalance": files.IRQBALANCE}.get(kind)
    if path is None:
        return None
    # Without a file the next boot knows nothing of it, which is what a change that takes something away wants.
    return path if wanted_files[path] is not None else DISK if change.after is None else None


def _pages(change: Change, desired: Desired, wanted_files: dict[str, str | None]) -> str | None:
    _, node, size = change.id.split(":")
    pool = next(
        pool for pool in desired.hugepages if (f"node{pool.node}", f"{pool.size_bytes // 1024}kB") == (node, size)
    )
    if not pool.count:  # given back: no boot takes pages that nobody asks for
        return DISK
    if pool.when == "runtime":
        return _unit(files.HUGEPAGES_UNIT, desired, wanted_files)
    return BOOT_LOADER if any(arg.feature == "hugepages" for arg in desired.kernel_args) else None


def _unit(name: str, desired: Desired, wanted_files: dict[str, str | None]) -> str | None:
    """A unit counts when it is there, enabled, has its program, and has something to read."""
    there = (files.unit_path(name), files.PROGRAM, files.HOST_JSON)
    return name if name in desired.units and all(wanted_files[path] is not None for path in there) else None
