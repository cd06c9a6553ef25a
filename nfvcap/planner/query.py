# SPDX-License-Identifier: Apache-2.0
"""What the planner needs to be told about a host beside what the facts always hold."""

from __future__ import annotations

from nfvcap.planner import files, kvm

IRQBALANCE_SERVICE = "irqbalance.service"
IRQBALANCE_DEFAULTS = "/etc/default/irqbalance"
MIRROR_STATE = "/run/nfvcap/mirror.json"  # what the keeper of mirror rules had to repair
VFIO_MODULES = ("vfio_pci", "vfio", "vfio_iommu_type1")

# Parameters of the module nfvcap_facts, for every host alike.
FACTS_QUERY: dict[str, list[str]] = {
    "packages": sorted({*kvm.ALL_PACKAGES, "irqbalance"}),
    "units": sorted({*kvm.ALL_SERVICES, *files.UNITS, IRQBALANCE_SERVICE}),
    "files": sorted({*files.MANAGED, files.RECORD, IRQBALANCE_DEFAULTS, MIRROR_STATE}),
    "kernel_modules": sorted({*VFIO_MODULES, "kvm", "kvm_intel", "kvm_amd"}),
}
