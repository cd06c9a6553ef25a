/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/record.h"

static uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* The specification's layout, byte for byte (draft-ietf-opsawg-pcap). */
static void test_pcap_head(void **state)
{
    static const uint8_t want[] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0};
    uint8_t head[FILE_HEAD_MAX];
    struct file_description d = {.format = FORMAT_PCAP_NS, .snaplen = 262144};
    assert_int_equal(record_file_head(&d, head), sizeof(want));
    assert_memory_equal(head, want, sizeof(want));
    d.format = FORMAT_PCAP_US;
    record_file_head(&d, head);
    assert_int_equal(word(head), 0xa1b2c3d4);
}

/* Walk the blocks of a section: both lengths agree, multiples of four, nothing is left over. */
static unsigned blocks(const uint8_t *p, size_t n)
{
    unsigned count = 0;
    for (size_t at = 0; at < n; count++) {
        uint32_t length = word(p + at + 4);
        assert_true(length >= 12 && length % 4 == 0 && at + length <= n);
        assert_int_equal(word(p + at + length - 4), length);
        at += length;
    }
    return count;
}

static void test_pcapng_head(void **state)
{
    uint8_t head[FILE_HEAD_MAX];
    struct file_description d = {.format = FORMAT_PCAPNG,
                                 .snaplen = 96,
                                 .interface_name = "eth0 queue 1",
                                 .filter = "udp port 53",
                                 .comment = "x"};
    size_t n = record_file_head(&d, head);
    assert_int_equal(blocks(head, n), 2);
    assert_int_equal(word(head), PCAPNG_SECTION_HEADER);
    assert_int_equal(word(head + 8), PCAPNG_BYTE_ORDER_MAGIC);
    const uint8_t *idb = head + word(head + 4);
    assert_int_equal(word(idb), PCAPNG_INTERFACE_DESCRIPTION);
    assert_int_equal(word(idb + 12), 96);
}

static void test_pcapng_head_keeps_its_size(void **state)
{
    uint8_t head[FILE_HEAD_MAX + 1];
    char *longest = malloc(5000);
    memset(longest, 'n', 4999);
    longest[4999] = '\0';
    head[FILE_HEAD_MAX] = 0x5a;
    struct file_description d = {
        .format = FORMAT_PCAPNG, .interface_name = longest, .filter = longest, .comment = longest};
    size_t n = record_file_head(&d, head);
    assert_true(n <= FILE_HEAD_MAX);
    assert_int_equal(head[FILE_HEAD_MAX], 0x5a);
    assert_int_equal(blocks(head, n), 2);
    free(longest);
}

static void test_pcapng_tail(void **state)
{
    uint8_t tail[128];
    assert_int_equal(record_file_tail(FORMAT_PCAP_NS, 1, 2, 3, 4, tail), 0);
    size_t n = record_file_tail(FORMAT_PCAPNG, 0x1122334455667788, 0x1122334455667799, 1000, 7, tail);
    assert_true(n > 0 && n <= sizeof(tail));
    assert_int_equal(blocks(tail, n), 1);
    assert_int_equal(word(tail), PCAPNG_INTERFACE_STATISTICS);
    assert_int_equal(word(tail + 12), 0x11223344); /* the high word comes first */
    assert_int_equal(word(tail + 16), 0x55667799);
    assert_int_equal(word(tail + 24), 0x11223344); /* isb_starttime, the same way round */
    assert_int_equal(word(tail + 28), 0x55667788);
}

static void test_lengths(void **state)
{
    assert_int_equal(record_bytes(FORMAT_PCAP_NS, 0), 16);
    assert_int_equal(record_bytes(FORMAT_PCAP_US, 61), 77);
    assert_int_equal(record_bytes(FORMAT_PCAPNG, 61), 96);
    assert_int_equal(record_bytes(FORMAT_PCAPNG, 64), 96);
    assert_int_equal(record_bytes(FORMAT_PCAPNG, 65), 100);
}

static void test_end_marker_is_no_record(void **state)
{
    uint8_t p[16];
    memset(p, 0, sizeof(p));
    write_end_marker(FORMAT_PCAP_NS, p);
    assert_int_equal(word(p + 8), END_MARKER_LENGTH);
    memset(p, 0, sizeof(p));
    write_end_marker(FORMAT_PCAPNG, p);
    assert_int_equal(word(p), 0);
    assert_int_equal(word(p + 4), END_MARKER_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcap_head),
        cmocka_unit_test(test_pcapng_head),
        cmocka_unit_test(test_pcapng_head_keeps_its_size),
        cmocka_unit_test(test_pcapng_tail),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_end_marker_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
