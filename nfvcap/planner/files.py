# SPDX-License-Identifier: Apache-2.0
"""The text files of a host, with their exact content: roles write them, the planner sees when they drift."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from nfvcap import __version__
from nfvcap.model.cpulist import format_cpulist
from nfvcap.model.facts import Facts
from nfvcap.model.plan import Desired, GuestPlacement, HugePagePool, KernelArg, PfTarget
from nfvcap.paths import data_dir

HOST_JSON = "/etc/nfvcap/host.json"
GRUB = "/etc/default/grub.d/90-nfvcap.cfg"
MODPROBE = "/etc/modprobe.d/nfvcap.conf"
MODULES_LOAD = "/etc/modules-load.d/nfvcap.conf"
IRQBALANCE = "/etc/systemd/system/irqbalance.service.d/nfvcap.conf"
HUGEPAGES_UNIT = "nfvcap-hugepages.service"
SRIOV_UNIT = "nfvcap-sriov.service"
UNITS = (HUGEPAGES_UNIT, SRIOV_UNIT)
PROGRAM = "/usr/local/lib/nfvcap/nfvcap-restore"  # what the units call
HOST_SCHEMA = "nfvcap/host/1"
RECORD = "/var/lib/nfvcap/plan.json"  # the plan as applied last, written at the end of each run

_HEAD = "# Written by nfvcap from the host's plan; changes are undone by the next `nfvcap provision`.\n"


def unit_path(unit: str) -> str:
    return f"/etc/systemd/system/{unit}"


MANAGED = (GRUB, MODPROBE, MODULES_LOAD, IRQBALANCE, HOST_JSON, PROGRAM, *(unit_path(unit) for unit in UNITS))

# Which role writes which file; a test holds this against MANAGED.
ROLE_OF = {
    GRUB: "kernel_args",
    MODPROBE: "iommu",
    MODULES_LOAD: "iommu",
    IRQBALANCE: "cpu_isolation",
    HOST_JSON: "persistence",
    PROGRAM: "persistence",
    **{unit_path(unit): "persistence" for unit in UNITS},
}


@cache
def _unit_text(unit: str) -> str:
    return (data_dir() / "templates" / "units" / unit).read_text(encoding="utf-8")


@cache
def _program_text() -> str:
    return (data_dir() / "templates" / "boot" / "nfvcap-restore").read_text(encoding="utf-8")


def _grub(args: tuple[KernelArg, ...]) -> str | None:
    if not args:
        return None
    tokens = " ".join(arg.token for arg in args)
    return f'{_HEAD}GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {tokens}"\n'


def _modprobe(desired: Desired) -> str | None:
    lines = [
        f"options {entry.module} " + " ".join(f"{key}={value}" for key, value in sorted(entry.options.items())) + "\n"
        for entry in desired.vfio.options
        if entry.options
    ]
    return _HEAD + "".join(lines) if lines else None


def _modules_load(desired: Desired) -> str | None:
    return _HEAD + "".join(f"{module}\n" for module in desired.vfio.modules) if desired.vfio.modules else None


def _irqbalance(desired: Desired) -> str | None:
    if not desired.irqbalance.manage:
        return None
    cpus = format_cpulist(desired.irqbalance.banned_cpus)
    return f"{_HEAD}[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST={cpus}\n"


def restored_pools(pools: tuple[HugePagePool, ...]) -> list[HugePagePool]:
    """Pools that a unit reserves at each boot; those of the kernel command line come by themselves."""
    return [pool for pool in pools if pool.when == "runtime" and pool.count]


def host_json(desired: Desired, placement: tuple[GuestPlacement, ...]) -> str | None:
    """``/etc/nfvcap/host.json``: what the units restore at boot, which kernel arguments are ours, where guests belong.

    Nothing in it depends on the state of the host (no VF address, no interface name): it must read the same
    before and after the VFs exist. With the version in it, a newer nfvcap replaces what an older one left on the host.
    None when there is nothing to remember.
    """
    document: dict[str, Any] = {
        "schema": HOST_SCHEMA,
        "nfvcap_version": __version__,
        "kernel_args": [arg.token for arg in desired.kernel_args],
        "hugepages": [pool.model_dump(exclude={"when"}) for pool in restored_pools(desired.hugepages)],
        "vfio": {"modules": list(desired.vfio.modules)},
        "pfs": [_host_pf(pf) for pf in desired.pfs],
        "guests": [guest.model_dump(mode="json") for guest in placement],
    }
    if not any(document[key] for key in ("kernel_args", "hugepages", "pfs", "guests")) and not desired.vfio.modules:
        return None
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _host_pf(pf: PfTarget) -> dict[str, Any]:
    vfs = [vf.model_dump(exclude={"address"}) for vf in pf.vfs]
    return {"address": pf.address, "admin_up": pf.admin_up, "num_vfs": pf.num_vfs, "vfs": vfs}


def text_files(desired: Desired, placement: tuple[GuestPlacement, ...], facts: Facts) -> dict[str, str | None]:
    """Every managed path with its content, None where no file shall be."""
    return {
        GRUB: _grub(desired.kernel_args) if facts.os.family == "debian" else None,
        MODPROBE: _modprobe(desired),
        MODULES_LOAD: _modules_load(desired),
        IRQBALANCE: _irqbalance(desired),
        HOST_JSON: host_json(desired, placement),
        PROGRAM: _program_text() if desired.units else None,
        **{unit_path(unit): _unit_text(unit) if unit in desired.units else None for unit in UNITS},
    }
