/* SPDX-License-Identifier: Apache-2.0 */
#include "capturebuild.h"

#define US 0xa1b2c3d4u
#define NS 0xa1b23c4du

static struct bytes file;

static void start(uint32_t magic, bool big_endian)
{
    file.len = 0;
    file.big_endian = big_endian;
    put_pcap_header(&file, magic, LINK_ETHERNET);
}

/* Records of all lengths, some of them cut by a snap length. */
static void add_records(unsigned n)
{
    uint8_t data[400];

    for (unsigned i = 0; i < n; i++) {
        uint32_t len = i * 7 % 391;

        memset(data, (int)i, sizeof(data));
        put_record(&file, 1700000000 + i, i, data, len, len + (i % 3 == 0 ? 100 : 0));
    }
}

static struct seen read_file(struct reader *r, size_t chunk, bool ahead)
{
    assert_true(open_bytes(r, &file, chunk, ahead));
    return read_all(r);
}

static void test_byte_orders_and_resolutions(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        bool ns = i & 1, big = i & 2;
        struct reader r;
        struct seen seen;

        start(ns ? NS : US, big);
        put_record(&file, 0xfffffffe, 999999, "abc", 3, 1500);
        seen = read_file(&r, 0, false);
        assert_int_equal(seen.packets, 1);
        assert_true(seen.last_ns == 4294967294u * 1000000000ull + (ns ? 999999 : 999999000));
        assert_int_equal(seen.last_caplen, 3);
        assert_int_equal(seen.last_wirelen, 1500);
        assert_int_equal(seen.last_first_byte, 'a');
        assert_int_equal(r.end, END_WHOLE);
        assert_int_equal(r.whole_bytes, file.len);
        assert_int_equal(r.odd_times, 0);
    }
}

/* The same records, however the file comes in. */
static void test_any_chunk(void **state)
{
    static const size_t chunks[] = {1, 2, 3, 5, 16, 17, 24, 100, 4096, 0};
    struct reader r;
    struct seen want;

    for (unsigned order = 0; order < 2; order++) {
        start(NS, order);
        add_records(500);
        want = read_file(&r, 0, false);
        assert_int_equal(want.packets, 500);
        for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
            for (unsigned ahead = 0; ahead < 2; ahead++) {
                struct seen seen = read_file(&r, chunks[i], ahead);

                assert_memory_equal(&seen, &want, sizeof(seen));
                assert_int_equal(r.end, END_WHOLE);
            }
    }
}

static void test_long_records(void **state)
{
    static uint8_t data[262144];
    struct reader r;

    start(NS, false);
    for (unsigned i = 0; i < 3; i++) {
        memset(data, (int)i + 1, sizeof(data));
        put_record(&file, 1 + i, 0, data, sizeof(data), sizeof(data));
    }
    for (size_t chunk = 1000; chunk < 3000000; chunk *= 10) {
        struct seen seen = read_file(&r, chunk, chunk > 100000);

        assert_int_equal(seen.packets, 3);
        assert_int_equal(seen.last_first_byte, 3);
        assert_int_equal(r.end, END_WHOLE);
    }
}

/* Cut at every byte: whole at record boundaries, "cut" with the right offset everywhere else. */
static void test_cut_everywhere(void **state)
{
    size_t boundary[6], full;
    struct reader r;

    start(US, false);
    for (unsigned i = 0; i < 6; i++) {
        boundary[i] = file.len;
        if (i < 5)
            put_record(&file, 5, 5, "payload", i, i);
    }
    full = file.len;
    for (size_t len = 24; len <= full; len++) {
        unsigned whole = 0;
        struct seen seen;

        while (whole < 5 && boundary[whole + 1] <= len)
            whole++;
        file.len = len;
        seen = read_file(&r, 0, false);
        assert_int_equal(seen.packets, whole);
        assert_int_equal(r.whole_bytes, boundary[whole]);
        assert_int_equal(r.end, len == boundary[whole] ? END_WHOLE : END_CUT);
    }
    for (size_t len = 0; len < 24; len++) {
        file.len = len;
        assert_false(open_bytes(&r, &file, 0, false));
        assert_int_equal(r.end, END_UNKNOWN);
        reader_close(&r);
    }
}

static void test_unwritten_space(void **state)
{
    static const size_t lengths[] = {1, 8, 15, 16, 17, 4096, 70000};
    struct reader r;

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t whole;

        start(NS, false);
        add_records(10);
        whole = file.len;
        put_zeros(&file, lengths[i]);
        assert_int_equal(read_file(&r, 512, false).packets, 10);
        assert_int_equal(r.end, END_UNWRITTEN);
        assert_int_equal(r.whole_bytes, whole);
    }
}

/* A mapped file that was never closed: its end marker, then whatever stood there before. */
static void test_end_marker(void **state)
{
    struct reader r;
    size_t whole;

    start(NS, false);
    add_records(10);
    whole = file.len;
    put32(&file, 1700000000); /* the time of an older record shows through */
    put32(&file, 5);
    put32(&file, 0xffffffff);
    put32(&file, 0);
    add_records(10);
    assert_int_equal(read_file(&r, 512, false).packets, 10);
    assert_int_equal(r.end, END_UNWRITTEN);
    assert_int_equal(r.whole_bytes, whole);
}

static void test_hole(void **state)
{
    struct reader r;
    size_t whole;

    start(NS, false);
    add_records(10);
    whole = file.len;
    put_zeros(&file, 5000);
    put_record(&file, 5, 5, "payload", 7, 7);
    assert_int_equal(read_file(&r, 512, false).packets, 10);
    assert_int_equal(r.end, END_CORRUPT);
    assert_int_equal(r.whole_bytes, whole);
    assert_non_null(strstr(r.why, "zeros"));
}

static void test_impossible_length(void **state)
{
    struct reader r;
    size_t whole;

    start(NS, false);
    add_records(100);
    whole = file.len;
    put_record(&file, 5, 5, "", 0, 7);
    file.data[whole + 10] = 0x7f;
    add_records(1);
    assert_int_equal(read_file(&r, 0, false).packets, 100);
    assert_int_equal(r.end, END_CORRUPT);
    assert_int_equal(r.whole_bytes, whole);
}

/* One byte more than can be, with all of its bytes there. */
static void test_too_long_by_one(void **state)
{
    static uint8_t data[262145];
    struct reader r;
    size_t whole;

    start(NS, false);
    add_records(3);
    whole = file.len;
    put_record(&file, 5, 5, data, sizeof(data), sizeof(data));
    assert_int_equal(read_file(&r, 0, false).packets, 3);
    assert_int_equal(r.end, END_CORRUPT);
    assert_int_equal(r.whole_bytes, whole);
}

static void test_odd_fraction(void **state)
{
    struct reader r;
    struct seen seen;

    start(US, false);
    put_record(&file, 5, 1000000, "x", 1, 1);
    put_record(&file, 5, 999999, "x", 1, 1);
    seen = read_file(&r, 0, false);
    assert_int_equal(seen.packets, 2);
    assert_int_equal(r.odd_times, 1);
    assert_int_equal(r.end, END_WHOLE);
}

/* Before 2.3 the lengths of a record stood the other way round. */
static void test_old_versions(void **state)
{
    for (uint8_t minor = 0; minor < 5; minor++) {
        struct reader r;
        struct seen seen;

        start(US, false);
        file.data[6] = minor;
        if (minor < 4) {
            uint32_t head[4] = {5, 5, 100, 3};

            put_raw(&file, head, 16);
            put_raw(&file, "abc", 3);
        } else {
            put_record(&file, 5, 5, "abc", 3, 100);
        }
        seen = read_file(&r, 0, false);
        assert_int_equal(seen.packets, 1);
        assert_int_equal(seen.last_caplen, 3);
        assert_int_equal(seen.last_wirelen, 100);
    }
}

static void assert_refused(const void *data, size_t len, const char *why)
{
    struct reader r;

    file.len = 0;
    put_raw(&file, data, len);
    put_zeros(&file, 40);
    assert_false(open_bytes(&r, &file, 0, false));
    assert_int_equal(r.end, END_UNKNOWN);
    assert_non_null(strstr(r.why, why));
    reader_close(&r);
}

static void test_refused(void **state)
{
    assert_refused("\x34\xcd\xb2\xa1", 4, "Kuznetzov");
    assert_refused("\xa1\xb2\xcd\x34", 4, "Kuznetzov");
    assert_refused("\x1f\x8b\x08\x00", 4, "gzip");
    assert_refused("\x28\xb5\x2f\xfd", 4, "zstd");
    assert_refused("root:x:0", 8, "neither");
    assert_refused("\0\0\0\0", 4, "never written");
    assert_refused("\xd4\xc3\xb2\xa1\x03\x00\x00\x00", 8, "version 3.0");
    assert_refused("\xa1\xb2\xc3\xd4\x00\x03\x00\x01", 8, "version 3.1");
}

static void test_frame_check_sequence(void **state)
{
    struct reader r;

    start(US, false);
    file.data[23] = 0x24; /* two words, and the bit that says so */
    assert_true(open_bytes(&r, &file, 0, false));
    assert_int_equal(r.interfaces[0].link, LINK_ETHERNET);
    assert_int_equal(r.interfaces[0].fcs_bytes, 4);
    reader_close(&r);
}

static ssize_t read_fails(void *arg, void *buf, size_t len)
{
    struct bytes *b = arg;

    if (b->at + len > 1000) {
        errno = EIO;
        return -1;
    }
    return read_bytes(b, buf, len);
}

static void test_read_error(void **state)
{
    for (unsigned ahead = 0; ahead < 2; ahead++) {
        struct source_options options = {.chunk_bytes = 100, .exact_chunk = true, .ahead = ahead};
        struct reader r = {0};
        struct seen seen;

        start(NS, false);
        add_records(100);
        file.at = 0;
        assert_true(source_open_fn(&r.src, read_fails, &file, &options));
        assert_true(reader_open(&r));
        seen = read_all(&r);
        assert_true(seen.packets > 5 && seen.bytes < 1000);
        assert_int_equal(r.end, END_IO);
        assert_int_equal(r.error, EIO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_orders_and_resolutions),
        cmocka_unit_test(test_any_chunk),
        cmocka_unit_test(test_long_records),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_unwritten_space),
        cmocka_unit_test(test_end_marker),
        cmocka_unit_test(test_hole),
        cmocka_unit_test(test_impossible_length),
        cmocka_unit_test(test_too_long_by_one),
        cmocka_unit_test(test_odd_fraction),
        cmocka_unit_test(test_old_versions),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_frame_check_sequence),
        cmocka_unit_test(test_read_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
