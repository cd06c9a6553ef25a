/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/odd_packet.h"

static uint8_t wire[300];
static struct rte_mbuf segments[8];

/* The first `n` bytes of wire[], cut into segments of the given sizes. */
static struct rte_mbuf *chain(const uint16_t *sizes, unsigned n_sizes)
{
    memset(segments, 0, sizeof(segments));
    uint32_t at = 0;
    for (unsigned i = 0; i < n_sizes; i++) {
        segments[i].buf_addr = wire + at;
        segments[i].data_len = sizes[i];
        segments[i].next = i + 1 < n_sizes ? &segments[i + 1] : NULL;
        at += sizes[i];
    }
    segments[0].nb_segs = (uint16_t)n_sizes;
    segments[0].pkt_len = at;
    return &segments[0];
}

static void fill(void)
{
    for (unsigned i = 0; i < sizeof(wire); i++)
        wire[i] = (uint8_t)(i * 7 + 1);
}

static void test_segments(void **state)
{
    fill();
    const uint16_t sizes[] = {3, 0, 60, 1, 136};
    struct rte_mbuf *m = chain(sizes, 5);
    assert_int_equal(odd_packet_length(m), 200);
    for (uint32_t captured = 0; captured <= 200; captured++) {
        uint8_t out[202];
        memset(out, 0xee, sizeof(out));
        copy_odd_packet(m, out, captured);
        assert_memory_equal(out, wire, captured);
        assert_int_equal(out[captured], 0xee); /* not a byte too many */
    }
}

static void check_tag(const uint16_t *sizes, unsigned n)
{
    struct rte_mbuf *m = chain(sizes, n);
    m->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    m->vlan_tci = 0x2abc;
    uint32_t length = odd_packet_length(m);
    assert_int_equal(length, m->pkt_len + 4);
    const uint8_t tag[] = {0x81, 0x00, 0x2a, 0xbc};
    uint8_t want[304], out[305];
    memcpy(want, wire, 12);
    memcpy(want + 12, tag, 4);
    memcpy(want + 16, wire + 12, m->pkt_len - 12);
    for (uint32_t captured = 0; captured <= length; captured++) {
        memset(out, 0xee, sizeof(out));
        copy_odd_packet(m, out, captured);
        assert_memory_equal(out, want, captured);
        assert_int_equal(out[captured], 0xee);
    }
}

static void test_stripped_tag(void **state)
{
    fill();
    check_tag((const uint16_t[]){60}, 1);
    check_tag((const uint16_t[]){12, 48}, 2); /* the tag belongs between the segments */
    check_tag((const uint16_t[]){5, 5, 5, 45}, 4);
    check_tag((const uint16_t[]){14, 200}, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_stripped_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
