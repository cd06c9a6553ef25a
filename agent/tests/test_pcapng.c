/* SPDX-License-Identifier: Apache-2.0 */
#include "capturebuild.h"

static struct bytes file;

static void start(bool big_endian)
{
    file.len = 0;
    file.big_endian = big_endian;
    put_section(&file, UINT64_MAX);
}

static struct seen read_file(struct reader *r, size_t chunk, bool ahead)
{
    assert_true(open_bytes(r, &file, chunk, ahead));
    return read_all(r);
}

static struct seen read_one(struct reader *r)
{
    struct seen seen = read_file(r, 0, false);

    assert_int_equal(r->end, END_WHOLE);
    assert_int_equal(seen.packets, 1);
    return seen;
}

static void put_simple(uint32_t wirelen, const void *data, uint32_t caplen)
{
    size_t block = begin_block(&file, 3);

    put32(&file, wirelen);
    put_raw(&file, data, caplen);
    end_block(&file, block);
}

static void put_obsolete(uint16_t interface, uint64_t ticks, const void *data, uint32_t caplen, uint32_t wirelen)
{
    size_t block = begin_block(&file, 2);

    put16(&file, interface);
    put16(&file, 7); /* drops */
    put32(&file, (uint32_t)(ticks >> 32));
    put32(&file, (uint32_t)ticks);
    put32(&file, caplen);
    put32(&file, wirelen);
    put_raw(&file, data, caplen);
    end_block(&file, block);
}

static void test_resolutions(void **state)
{
    static const struct {
        uint8_t tsresol;
        uint64_t ticks, ns;
    } cases[] = {
        {0, 1700000000000001, 1700000000000001000}, /* microseconds if nothing is said */
        {6, 1700000000000001, 1700000000000001000},
        {9, 1700000000000000001, 1700000000000000001},
        {3, 1700000000001, 1700000000001000000},
        {12, 1700000000000123, 1700000000000},
        {0x80 | 10, 1024 * 5 + 512, 5500000000},
        {0x80 | 63, 1ull << 62, 500000000},
        {19, UINT64_MAX, 1844674407},
    };

    for (unsigned order = 0; order < 2; order++)
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct reader r;

            start(order);
            put_interface(&file, 1, 0, cases[i].tsresol);
            put_enhanced(&file, 0, cases[i].ticks, "abc", 3, 3);
            assert_true(read_one(&r).last_ns == cases[i].ns);
            assert_int_equal(r.odd_times, 0);
        }
}

static void put_interface_with_offset(int64_t offset)
{
    size_t block = begin_block(&file, 1);
    struct bytes *value = calloc(1, sizeof(*value));

    value->big_endian = file.big_endian;
    put_uint(value, (uint64_t)offset, 8);
    put16(&file, 1);
    put16(&file, 0);
    put32(&file, 0);
    put_option(&file, 14, value->data, 8);
    put_option(&file, 2, "eth0", 4);
    put_option(&file, 0, "", 0);
    end_block(&file, block);
    free(value);
}

static void test_offsets(void **state)
{
    for (unsigned order = 0; order < 2; order++) {
        struct reader r;

        start(order);
        put_interface_with_offset(1000);
        put_enhanced(&file, 0, 5, "abc", 3, 3);
        assert_true(read_one(&r).last_ns == 1000000005000);

        start(order);
        put_interface_with_offset(-1000);
        put_enhanced(&file, 0, 1000000005, "abc", 3, 3);
        assert_true(read_one(&r).last_ns == 5000);
        assert_int_equal(r.odd_times, 0);

        start(order);
        put_interface_with_offset(-1000); /* before 1970 */
        put_enhanced(&file, 0, 5, "abc", 3, 3);
        assert_true(read_one(&r).last_ns == 0);
        assert_int_equal(r.odd_times, 1);

        start(order);
        put_interface(&file, 1, 0, 6); /* after 2554 */
        put_enhanced(&file, 0, UINT64_MAX, "abc", 3, 3);
        assert_true(read_one(&r).last_ns == READER_NO_TIME - 1);
        assert_int_equal(r.odd_times, 1);
    }
}

/* Sections in both orders, each with its own interfaces; blocks of all kinds between them. */
static void put_everything(void)
{
    uint8_t data[300];

    start(false);
    for (unsigned section = 0; section < 6; section++) {
        if (section != 0) {
            file.big_endian = section % 2;
            put_section(&file, section == 3 ? 12345 : UINT64_MAX);
        }
        put_interface(&file, section == 4 ? 101 : 1, 0, 9);
        put_unknown(&file, 4, 40); /* names */
        put_interface(&file, 1, 96, 6);
        put_unknown(&file, 0x0bad, 3000); /* custom */
        for (unsigned i = 0; i < 100; i++) {
            memset(data, (int)i, sizeof(data));
            put_enhanced(&file, i % 2, 1700000000000000000 + i, data, i, i + 1);
            if (i % 10 == 0)
                put_obsolete(1, 1700000000000000 + i, data, i, i);
            if (i % 10 == 5)
                put_simple(i, data, i);
        }
    }
}

static void test_everything(void **state)
{
    static const size_t chunks[] = {1, 3, 8, 33, 4096, 0};
    struct reader r;
    struct seen want;

    put_everything();
    want = read_file(&r, 0, false);
    assert_int_equal(want.packets, 6 * 120);
    assert_int_equal(r.end, END_WHOLE);
    assert_int_equal(r.sections, 6);
    assert_int_equal(r.other_blocks, 12);
    assert_int_equal(r.whole_bytes, file.len);
    for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
        for (unsigned ahead = 0; ahead < 2; ahead++) {
            struct seen seen = read_file(&r, chunks[i], ahead);

            assert_memory_equal(&seen, &want, sizeof(seen));
            assert_int_equal(r.end, END_WHOLE);
        }
}

static void test_simple_blocks(void **state)
{
    struct reader r;
    struct seen seen;

    start(false);
    put_interface(&file, 1, 96, 9);
    put_simple(1500, "0123456789", 10); /* says 1500, snap length 96, but there are 12 */
    assert_true(open_bytes(&r, &file, 0, false));
    seen = read_all(&r);
    assert_int_equal(r.end, END_CORRUPT);

    start(false);
    put_interface(&file, 1, 8, 9);
    put_simple(1500, "0123456789", 8);
    seen = read_one(&r);
    assert_int_equal(seen.last_caplen, 8);
    assert_int_equal(seen.last_wirelen, 1500);
    assert_true(seen.last_ns == READER_NO_TIME);
}

static void test_statistics(void **state)
{
    struct reader r;
    size_t block;
    uint64_t received = 1000, dropped = 17;

    start(false);
    put_interface(&file, 1, 0, 9);
    block = begin_block(&file, 5);
    put32(&file, 0);
    put32(&file, 0);
    put32(&file, 0);
    put_option(&file, 4, &received, 8);
    put_option(&file, 5, &dropped, 8);
    put_option(&file, 0, "", 0);
    end_block(&file, block);
    assert_true(open_bytes(&r, &file, 0, false));
    for (struct record_batch batch; reader_next(&r, &batch);)
        fail();
    assert_int_equal(r.end, END_WHOLE);
    assert_true(r.interfaces[0].has_drops);
    assert_int_equal(r.interfaces[0].received, 1000);
    assert_int_equal(r.interfaces[0].dropped, 17);
    reader_close(&r);
}

/* Cut at every byte: never more than the whole blocks, the offset always a block boundary. */
static void test_cut_everywhere(void **state)
{
    for (unsigned order = 0; order < 2; order++) {
        size_t boundary[8], full;
        struct reader r;

        start(order);
        boundary[0] = file.len;
        put_interface(&file, 1, 0, 9);
        boundary[1] = file.len;
        put_enhanced(&file, 0, 5, "abc", 3, 3);
        boundary[2] = file.len;
        put_unknown(&file, 0x777, 100);
        boundary[3] = file.len;
        put_enhanced(&file, 0, 5, "abcd", 4, 4);
        boundary[4] = file.len;
        put_section(&file, 0);
        boundary[5] = full = file.len;
        for (size_t len = boundary[0]; len <= full; len++) {
            unsigned whole = 0;
            struct seen seen;

            while (whole < 5 && boundary[whole + 1] <= len)
                whole++;
            file.len = len;
            seen = read_file(&r, 64, false);
            assert_int_equal(seen.packets, whole < 2 ? 0 : whole < 4 ? 1 : 2);
            assert_int_equal(r.whole_bytes, boundary[whole]);
            if (order && len - boundary[whole] <= 3 && r.end == END_UNWRITTEN)
                continue; /* the first bytes of most types are zeros: nobody can tell */
            assert_int_equal(r.end, len == boundary[whole] ? END_WHOLE : END_CUT);
        }
        for (size_t len = 4; len < boundary[0]; len++) {
            file.len = len;
            assert_false(open_bytes(&r, &file, 0, false));
            assert_int_equal(r.end, END_UNKNOWN);
            reader_close(&r);
        }
    }
}

static void test_unwritten_space(void **state)
{
    static const size_t lengths[] = {4, 8, 11, 12, 4096, 70000};

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct reader r;
        size_t whole;

        start(false);
        put_interface(&file, 1, 0, 9);
        put_enhanced(&file, 0, 5, "abc", 3, 3);
        whole = file.len;
        put_zeros(&file, lengths[i]);
        assert_int_equal(read_file(&r, 512, false).packets, 1);
        assert_int_equal(r.end, END_UNWRITTEN);
        assert_int_equal(r.whole_bytes, whole);
    }
}

/* `damage` is done to the last block; the reader must stop in front of it. */
static void assert_corrupt(size_t whole, const char *why)
{
    struct reader r;

    for (size_t chunk = 0; chunk < 200; chunk += 50) {
        assert_true(open_bytes(&r, &file, chunk, false));
        read_all(&r);
        assert_int_equal(r.end, END_CORRUPT);
        assert_int_equal(r.whole_bytes, whole);
        assert_non_null(strstr(r.why, why));
    }
}

static size_t two_packets(bool big_endian)
{
    size_t whole;

    start(big_endian);
    put_interface(&file, 1, 0, 9);
    put_enhanced(&file, 0, 5, "abc", 3, 3);
    whole = file.len;
    put_enhanced(&file, 0, 6, "0123456789", 10, 10);
    return whole;
}

/* A mapped file that was never closed: its end marker, then whatever stood there before. */
static void test_end_marker(void **state)
{
    struct reader r;
    size_t whole;

    two_packets(false);
    whole = file.len;
    put32(&file, 0);
    put32(&file, 0xffffffff);
    put_enhanced(&file, 0, 6, "0123456789", 10, 10);
    assert_int_equal(read_file(&r, 512, false).packets, 2);
    assert_int_equal(r.end, END_UNWRITTEN);
    assert_int_equal(r.whole_bytes, whole);
}

static void test_damage(void **state)
{
    for (unsigned order = 0; order < 2; order++) {
        size_t whole = two_packets(order);

        file.data[file.len - 2] ^= 1; /* trailing length */
        assert_corrupt(whole, "differ");
        whole = two_packets(order);
        file.data[whole + 4 + (order ? 3 : 0)] = 42; /* not a multiple of 4 */
        assert_corrupt(whole, "multiple");
        whole = two_packets(order);
        file.data[whole + 4 + (order ? 3 : 0)] = 8; /* too short for a block */
        assert_corrupt(whole, "less than 12");
        whole = two_packets(order);
        file.data[whole + 8 + (order ? 3 : 0)] = 1; /* an interface that is not there */
        assert_corrupt(whole, "not described");
        whole = two_packets(order);
        file.data[whole + 20 + (order ? 3 : 0)] = 13; /* one byte more than the block holds */
        assert_corrupt(whole, "longer than its block");
        whole = two_packets(order);
        file.data[whole + 4 + (order ? 0 : 3)] = 0x10; /* 256 MiB */
        assert_corrupt(whole, "more than 1 MiB");
    }
}

static void test_bad_blocks(void **state)
{
    size_t whole, block;

    start(false);
    whole = file.len;
    put_interface(&file, 1, 0, 64); /* 10^-64 */
    assert_corrupt(whole, "resolution");

    start(false);
    whole = file.len;
    block = begin_block(&file, 1);
    put32(&file, 1);
    put32(&file, 0);
    put16(&file, 2);
    put16(&file, 100); /* an option longer than its block */
    end_block(&file, block);
    assert_corrupt(whole, "runs over");

    start(false);
    whole = file.len;
    put_section(&file, 0);
    file.data[whole + 8] = 0;
    assert_corrupt(whole, "byte order");

    start(false);
    whole = file.len;
    put_section(&file, 0);
    file.data[whole + 12] = 2;
    assert_corrupt(whole, "version 2.0");
}

static void test_interfaces_of_sections(void **state)
{
    struct reader r;
    size_t whole;

    start(false);
    put_interface(&file, 1, 0, 9);
    put_interface(&file, 1, 0, 9);
    put_enhanced(&file, 1, 5, "abc", 3, 3);
    put_section(&file, 0);
    put_interface(&file, 1, 0, 6);
    put_enhanced(&file, 0, 5, "abc", 3, 3);
    whole = file.len;
    put_enhanced(&file, 1, 5, "abc", 3, 3); /* of the first section only */
    assert_true(open_bytes(&r, &file, 0, false));
    assert_true(read_all(&r).last_ns == 5000);
    assert_int_equal(r.end, END_CORRUPT);
    assert_int_equal(r.whole_bytes, whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolutions),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_simple_blocks),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_unwritten_space),
        cmocka_unit_test(test_end_marker),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bad_blocks),
        cmocka_unit_test(test_interfaces_of_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
