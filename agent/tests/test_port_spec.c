/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet_ring.h"
#include "port_spec.h"

static struct port_spec spec;
static const char *why;

static void test_pci(void **state)
{
    assert_true(port_spec_parse("0000:81:10.0", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_true(spec.is_pci);
    assert_string_equal(spec.device, "0000:81:10.0");
    assert_true(port_spec_parse("81:10.3,representor=1", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_string_equal(spec.device, "0000:81:10.3");
    assert_string_equal(spec.devargs, "0000:81:10.3,representor=1");
    assert_false(port_spec_parse("0000:81:10.8", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("0000:81:10.0x", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("81:10", PORT_RECEIVES, 0, 1, &spec, &why));
}

static void test_pci_keys_of_ours(void **state)
{
    const char *token = "14d63f20-8445-11ea-8900-1f9ce7d5650d";
    char with[128];
    snprintf(with, sizeof(with), "81:10.3,vf-token=%s,representor=1,mac=02:00:00:81:00:0a", token);
    assert_true(port_spec_parse(with, PORT_RECEIVES, 0, 1, &spec, &why));
    assert_string_equal(spec.devargs, "0000:81:10.3,representor=1");
    assert_string_equal(spec.vf_token, token);
    assert_memory_equal(spec.mac, "\x02\x00\x00\x81\x00\x0a", 6);
    static const char *const wrong[] = {
        "vf-token=",
        "vf-token=14d63f20",
        "vf-token=14d63f20-8445-11ea-8900-1f9ce7d5650g",
        "mac=",
        "mac=02:00:00:81:00",
        "mac=03:00:00:81:00:01",
        "mac=00:00:00:00:00:00",
        "mac=02:00:00:81:00:01:00",
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(with, sizeof(with), "81:10.3,%s,x=1", wrong[i]);
        assert_false(port_spec_parse(with, PORT_RECEIVES, 0, 1, &spec, &why));
        assert_non_null(strstr(why, wrong[i][0] == 'm' ? "mac" : "UUID"));
    }
}

static void test_vdev(void **state)
{
    assert_true(port_spec_parse("vdev:net_null3,size=1024", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(spec.is_pci);
    assert_string_equal(spec.device, "net_null3");
    assert_int_equal(spec.null_size_bytes, 1024);
    assert_true(port_spec_parse("vdev:net_null0", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_int_equal(spec.null_size_bytes, 64);
    assert_false(port_spec_parse("vdev:", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("vdev:crypto_null", PORT_RECEIVES, 0, 1, &spec, &why));
}

static void test_interfaces(void **state)
{
    assert_true(port_spec_parse("af_packet:lo", PORT_SENDS, 2, 4, &spec, &why));
    assert_string_equal(spec.device, "net_af_packet2");
    assert_non_null(strstr(spec.devargs, "iface=lo"));
    assert_non_null(strstr(spec.devargs, "qpairs=4"));
    assert_true(spec.packet_ring_bytes == 0);
    assert_true(port_spec_parse("pcap:/tmp/some.pcap,infinite_rx=1", PORT_RECEIVES, 1, 1, &spec, &why));
    assert_string_equal(spec.devargs, "net_pcap1,rx_pcap=/tmp/some.pcap,infinite_rx=1");
    assert_true(port_spec_parse("af_xdp:lo", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("af_packet:no-such-interface0", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("pcap:nosuch0", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_non_null(strstr(why, "nosuch0"));
    assert_false(port_spec_parse("af_packet:", PORT_RECEIVES, 0, 1, &spec, &why));
}

static void test_packet_rings(void **state)
{
    assert_true(port_spec_parse("af_packet:lo", PORT_RECEIVES, 2, 4, &spec, &why));
    assert_string_equal(spec.interface, "lo");
    assert_string_equal(spec.devargs, "net_null_packet2,no-rx=1");
    assert_true(spec.packet_ring_bytes == PACKET_RING_BYTES);
    assert_true(port_spec_parse("af_packet:lo,ring=256M", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_true(spec.packet_ring_bytes == 256 << 20);
    static const char *const wrong[] = {",",       ",ring",    ",ring=",       ",ring=x",
                                        ",ring=0", ",ring=8G", ",ring=1M,x=1", ",x=1"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "af_packet:lo%s", wrong[i]);
        assert_false(port_spec_parse(text, PORT_RECEIVES, 0, 1, &spec, &why));
        assert_non_null(strstr(why, "ring=SIZE"));
    }
}

static void test_nonsense(void **state)
{
    assert_false(port_spec_parse("", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_false(port_spec_parse("eth1", PORT_RECEIVES, 0, 1, &spec, &why));
    assert_non_null(strstr(why, "af_packet:IFACE"));
    char *longest = malloc(4000);
    memset(longest, 'a', 3999);
    longest[3999] = '\0';
    memcpy(longest, "vdev:net_", 9);
    assert_false(port_spec_parse(longest, PORT_RECEIVES, 0, 1, &spec, &why));
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pci),        cmocka_unit_test(test_pci_keys_of_ours), cmocka_unit_test(test_vdev),
        cmocka_unit_test(test_interfaces), cmocka_unit_test(test_packet_rings),     cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
