/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "port_spec.h"

static struct port_spec spec;
static const char *why;

static void test_pci(void **state)
{
    assert_true(port_spec_parse("0000:81:10.0", 0, 1, &spec, &why));
    assert_true(spec.is_pci);
    assert_string_equal(spec.device, "0000:81:10.0");
    assert_true(port_spec_parse("81:10.3,representor=1", 0, 1, &spec, &why));
    assert_string_equal(spec.device, "0000:81:10.3");
    assert_string_equal(spec.devargs, "0000:81:10.3,representor=1");
    assert_false(port_spec_parse("0000:81:10.8", 0, 1, &spec, &why));
    assert_false(port_spec_parse("0000:81:10.0x", 0, 1, &spec, &why));
    assert_false(port_spec_parse("81:10", 0, 1, &spec, &why));
}

static void test_vdev(void **state)
{
    assert_true(port_spec_parse("vdev:net_null3,size=1024", 0, 1, &spec, &why));
    assert_false(spec.is_pci);
    assert_string_equal(spec.device, "net_null3");
    assert_int_equal(spec.null_size_bytes, 1024);
    assert_true(port_spec_parse("vdev:net_null0", 0, 1, &spec, &why));
    assert_int_equal(spec.null_size_bytes, 64);
    assert_false(port_spec_parse("vdev:", 0, 1, &spec, &why));
    assert_false(port_spec_parse("vdev:crypto_null", 0, 1, &spec, &why));
}

static void test_interfaces(void **state)
{
    assert_true(port_spec_parse("af_packet:lo", 2, 4, &spec, &why));
    assert_string_equal(spec.device, "net_af_packet2");
    assert_non_null(strstr(spec.devargs, "iface=lo"));
    assert_non_null(strstr(spec.devargs, "qpairs=4"));
    assert_true(port_spec_parse("pcap:/tmp/some.pcap,infinite_rx=1", 1, 1, &spec, &why));
    assert_string_equal(spec.devargs, "net_pcap1,rx_pcap=/tmp/some.pcap,infinite_rx=1");
    assert_true(port_spec_parse("af_xdp:lo", 0, 1, &spec, &why));
    assert_false(port_spec_parse("af_packet:no-such-interface0", 0, 1, &spec, &why));
    assert_false(port_spec_parse("pcap:nosuch0", 0, 1, &spec, &why));
    assert_non_null(strstr(why, "nosuch0"));
    assert_false(port_spec_parse("af_packet:", 0, 1, &spec, &why));
}

static void test_nonsense(void **state)
{
    assert_false(port_spec_parse("", 0, 1, &spec, &why));
    assert_false(port_spec_parse("eth1", 0, 1, &spec, &why));
    assert_non_null(strstr(why, "af_packet:IFACE"));
    char *longest = malloc(4000);
    memset(longest, 'a', 3999);
    longest[3999] = '\0';
    memcpy(longest, "vdev:net_", 9);
    assert_false(port_spec_parse(longest, 0, 1, &spec, &why));
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pci),
        cmocka_unit_test(test_vdev),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
