/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PCI_DEVICE_H
#define NFVCAP_PCI_DEVICE_H

#include <stdbool.h>

/* Why a PCI device cannot be used by this process, in words for a user. */
struct pci_fault {
    const char *what, *why, *fix; /* static, or leaked on purpose */
};

/*
 * Looks at the device `address` (DDDD:BB:DD.F) below the directories sys and dev (normally /sys and /dev) without
 * touching it: is it there, a network device, given to user space, behind an IOMMU, and free? False with *fault set if
 * not. This comes before DPDK probes it: a device that a kernel driver uses is never taken away from it.
 */
bool pci_device_usable(const char *sys, const char *dev, const char *address, bool have_mlx5, struct pci_fault *fault);

#endif
