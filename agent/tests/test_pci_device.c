/* SPDX-License-Identifier: Apache-2.0 */
/* Made-up /sys and /dev trees: each state that a device can be in gets its own message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pci_device.h"

#define VF "0000:81:10.0"
#define OTHER "0000:81:10.2"

static char root[] = "/tmp/pci_device.XXXXXX";
static char sys[64], dev[64];
static struct pci_fault fault;

static void shell(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

/* A device with a driver ("": none) and a group ("": none). */
static void add(const char *address, const char *class, const char *driver, const char *group)
{
    char device[160];
    snprintf(device, sizeof(device), "%s/bus/pci/devices/%s", sys, address);
    shell("mkdir -p %s && echo %s >%s/class", device, class, device);
    if (driver[0] != '\0')
        shell("ln -s ../../../bus/pci/drivers/%s %s/driver", driver, device);
    if (group[0] != '\0')
        shell("mkdir -p %s/g/%s/devices && ln -s %s/g/%s %s/iommu_group && ln -s %s %s/g/%s/devices/%s", sys, group,
              sys, group, device, device, sys, group, address);
}

static bool usable(bool have_mlx5)
{
    fault = (struct pci_fault){0};
    return pci_device_usable(sys, dev, VF, have_mlx5, &fault);
}

static void refused(const char *what, const char *more)
{
    assert_false(usable(false));
    assert_non_null(strstr(fault.what, what));
    if (more != NULL && (fault.why == NULL || strstr(fault.why, more) == NULL))
        assert_non_null(strstr(fault.fix, more));
}

static int set_up(void **state)
{
    strcpy(root + sizeof(root) - 7, "XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(sys, sizeof(sys), "%s/sys", root);
    snprintf(dev, sizeof(dev), "%s/dev", root);
    shell("mkdir -p %s/bus/pci/devices %s/vfio", sys, dev);
    return 0;
}

static int tear_down(void **state)
{
    shell("rm -r %s", root);
    return 0;
}

static void test_not_there(void **state)
{
    refused("there is no PCI device " VF, "lspci");
}

static void test_not_a_network_device(void **state)
{
    add(VF, "0x010802", "nvme", "7");
    refused("is not a network device", NULL);
}

static void test_no_driver(void **state)
{
    add(VF, "0x020000", "", "7");
    refused("has no driver", "driverctl set-override " VF " vfio-pci");
}

static void test_kernel_driver(void **state)
{
    add(VF, "0x020000", "igbvf", "7");
    shell("mkdir -p %s/bus/pci/devices/" VF "/net/ens5v0", sys);
    refused("kernel's driver igbvf", "ens5v0");
}

static void test_mlx5_stays_with_the_kernel(void **state)
{
    add(VF, "0x020000", "mlx5_core", "7");
    refused("mlx5", "built without");
    assert_true(usable(true));
}

static void test_no_iommu(void **state)
{
    add(VF, "0x020000", "vfio-pci", "");
    refused("no IOMMU group", "intel_iommu=on");
}

static void test_shared_group(void **state)
{
    add(VF, "0x020000", "vfio-pci", "7");
    add(OTHER, "0x020000", "igb", "7");
    refused("shares its IOMMU group 7", OTHER " (igb)");
}

static void test_bridges_may_share_a_group(void **state)
{
    add(VF, "0x020000", "vfio-pci", "7");
    add(OTHER, "0x060400", "pcieport", "7");
    shell("touch %s/vfio/7", dev);
    assert_true(usable(false));
}

static void test_no_group_file(void **state)
{
    add(VF, "0x020000", "vfio-pci", "7");
    refused("cannot be opened", "modprobe vfio-pci");
}

static void test_no_iommu_mode(void **state)
{
    add(VF, "0x020000", "vfio-pci", "7");
    shell("touch %s/vfio/noiommu-7", dev);
    assert_true(usable(false));
}

static void test_uio_is_left_to_dpdk(void **state)
{
    add(VF, "0x020000", "uio_pci_generic", "");
    assert_true(usable(false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_not_there),
        TEST(test_not_a_network_device),
        TEST(test_no_driver),
        TEST(test_kernel_driver),
        TEST(test_no_iommu),
        TEST(test_mlx5_stays_with_the_kernel),
        TEST(test_shared_group),
        TEST(test_bridges_may_share_a_group),
        TEST(test_no_group_file),
        TEST(test_no_iommu_mode),
        TEST(test_uio_is_left_to_dpdk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
