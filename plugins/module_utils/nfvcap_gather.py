# SPDX-License-Identifier: Apache-2.0
"""All facts of a machine in one document, `nfvcap/facts/1`: see the controller's `nfvcap.model.facts`."""

from __future__ import annotations

import time
from typing import Any

from .nfvcap_bootloader import read_cmdline
from .nfvcap_documents import read_files, read_json, read_overrides
from .nfvcap_guests import read_guests
from .nfvcap_installed import read_modules, read_packages, read_units
from .nfvcap_iommu import read_iommu
from .nfvcap_machine import Machine
from .nfvcap_memory import read_nodes
from .nfvcap_nics import read_nics
from .nfvcap_osinfo import read_os
from .nfvcap_security import read_security
from .nfvcap_settled import wait_for_own_units
from .nfvcap_topology import read_cpus

SCHEMA = "nfvcap/facts/1"
LEDGER = "/var/lib/nfvcap/ledger.json"


def gather(
    machine: Machine, packages: list[str], files: list[str], units: list[str], kernel_modules: list[str]
) -> dict[str, Any]:
    """Read everything; the four lists name what is asked for beside that which is always told."""
    wait_for_own_units(machine)
    system = read_os(machine)
    guests = read_guests(machine)
    modules, parameters = read_modules(machine, kernel_modules)
    facts = {
        "schema": SCHEMA,
        "hostname": machine.identity()[0],
        "collected_at_s": round(time.time(), 3),
        "os": system,
        "cpu": read_cpus(machine),
        "nodes": read_nodes(machine),
        "cmdline": read_cmdline(machine),
        "iommu": read_iommu(machine),
        "security": read_security(machine),
        "nics": read_nics(machine, guests),
        "guests": guests,
        "units": read_units(machine, units),
        "packages": read_packages(machine, system["family"], packages),
        "files": read_files(machine, files),
        "kernel_modules": modules,
        "module_parameters": parameters,
        "driverctl": read_overrides(machine),
        "ledger": read_json(machine, LEDGER),
    }
    return {**facts, "notes": machine.problems}
