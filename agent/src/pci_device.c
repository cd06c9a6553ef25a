/* SPDX-License-Identifier: Apache-2.0 */
#include "pci_device.h"

#include "error.h" /* text() leaks: a handful of paths, once, at the start */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASS_NETWORK 0x02ul

static bool says(struct pci_fault *f, const char *what, const char *why, const char *fix)
{
    *f = (struct pci_fault){what, why, fix};
    return false;
}

/* The last part of where a link of the device points to, or NULL. */
static char *link_name(const char *device, const char *link)
{
    char target[PATH_MAX];
    ssize_t n = readlink(text("%s/%s", device, link), target, sizeof(target) - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    return text("%s", slash != NULL ? slash + 1 : target);
}

static unsigned long device_class(const char *device)
{
    char line[32] = "";
    FILE *in = fopen(text("%s/class", device), "re");
    if (in != NULL) {
        if (fgets(line, sizeof(line), in) == NULL)
            line[0] = '\0';
        fclose(in);
    }
    return strtoul(line, NULL, 16) >> 16;
}

/* "eth0", or "" when the device has no network interface in the kernel. */
static const char *interface_of(const char *device)
{
    DIR *dir = opendir(text("%s/net", device));
    const char *name = "";
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.')
            name = text("%s", e->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return name;
}

/* Drivers beside which vfio hands a group out all the same. */
static bool is_harmless_neighbour(const char *driver)
{
    return driver == NULL || strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "pci-stub") == 0 ||
           strcmp(driver, "pcieport") == 0;
}

/* A device of the same IOMMU group that a kernel driver uses, or NULL. */
static const char *bad_neighbour(const char *device)
{
    const char *path = text("%s/iommu_group/devices", device);
    DIR *dir = opendir(path);
    const char *bad = NULL;
    for (struct dirent *e; dir != NULL && bad == NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        const char *driver = link_name(text("%s/%s", path, e->d_name), "driver");
        if (!is_harmless_neighbour(driver))
            bad = text("%s (%s)", e->d_name, driver);
    }
    if (dir != NULL)
        closedir(dir);
    return bad;
}

/* The file that stands for the group; without an IOMMU vfio gives it another name. */
static bool group_opens(const char *dev, const char *group, const char *address, struct pci_fault *f)
{
    const char *path = text("%s/vfio/%s", dev, group);
    if (access(path, F_OK) != 0)
        path = text("%s/vfio/noiommu-%s", dev, group);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == EBUSY)
        return says(f, text("%s is in use", address),
                    text("another program has opened its group %s: a virtual machine, or another DPDK program", group),
                    text("fuser -v %s names it", path));
    return says(f, text("%s cannot be opened", address), text("%s: %s", path, errno_text(errno)),
                errno == EACCES || errno == EPERM ? "run as root, or give this user the file"
                                                  : "modprobe vfio-pci, and bind the device to it again");
}

static bool vfio_usable(const char *device, const char *dev, const char *address, struct pci_fault *f)
{
    const char *group = link_name(device, "iommu_group");
    if (group == NULL)
        return says(
            f, text("%s is in no IOMMU group", address), "the IOMMU is off",
            "turn it on in the firmware and with intel_iommu=on on the kernel's command line; in a guest without "
            "one: echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode and bind it again");
    const char *neighbour = bad_neighbour(device);
    if (neighbour != NULL)
        return says(f, text("%s shares its IOMMU group %s with a device that the kernel uses", address, group),
                    neighbour, "bind that one to vfio-pci as well, or put the card into another slot");
    return group_opens(dev, group, address, f);
}

bool pci_device_usable(const char *sys, const char *dev, const char *address, bool have_mlx5, struct pci_fault *fault)
{
    const char *device = text("%s/bus/pci/devices/%s", sys, address);
    if (access(device, F_OK) != 0)
        return says(fault, text("there is no PCI device %s", address), NULL,
                    "lspci -D lists them; virtual functions exist only once they were made");
    if (device_class(device) != CLASS_NETWORK)
        return says(fault, text("%s is not a network device", address), NULL, "lspci -D lists what there is");
    const char *driver = link_name(device, "driver");
    if (driver == NULL)
        return says(fault, text("%s has no driver", address), "DPDK reaches it through vfio-pci",
                    text("driverctl set-override %s vfio-pci", address));
    if (strcmp(driver, "vfio-pci") == 0)
        return vfio_usable(device, dev, address, fault);
    if (strcmp(driver, "uio_pci_generic") == 0 || strcmp(driver, "igb_uio") == 0)
        return true;
    if (strcmp(driver, "mlx5_core") == 0)
        return have_mlx5 || says(fault, text("%s needs the mlx5 driver", address), "this program was built without it",
                                 "build it where rdma-core's static libraries are installed");
    const char *interface = interface_of(device);
    return says(
        fault, text("%s is in use by the kernel's driver %s", address, driver),
        interface[0] != '\0' ? text("it is the interface %s", interface) : NULL,
        text("driverctl set-override %s vfio-pci gives it to DPDK; capture with --port af_packet:%s without that",
             address, interface[0] != '\0' ? interface : "IFACE"));
}
