/* SPDX-License-Identifier: Apache-2.0 */
#include "generate/feed.h"

#include <unistd.h>

#include "capturebuild.h"

static struct bytes file;
static char path[] = "/tmp/nfvcap-feed-XXXXXX";
static struct feed feed;
static struct destinations destinations;

static void begin(uint32_t link)
{
    memset(&feed, 0, sizeof(feed));
    feed.room = 1514;
    file.len = 0;
    put_pcap_header(&file, 0xa1b23c4d, link);
}

static void add(uint64_t ns, const void *data, uint32_t caplen, uint32_t wirelen)
{
    put_record(&file, (uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000), data, caplen, wirelen);
}

static const char *open_file(bool renumber, uint64_t first)
{
    FILE *f = fopen(path, "w");

    assert_int_equal(fwrite(file.data, 1, file.len, f), file.len);
    fclose(f);
    return feed_file(&feed, path, renumber, first);
}

/* So many addresses, 02:..:00 and on; every other one is behind a tag. */
static void address(uint32_t n)
{
    destinations.n = n;
    for (uint32_t i = 0; i < n; i++) {
        destinations.layout[i] = layout_with_tags(i % 2);
        destinations.layout[i].dst_mac[5] = (uint8_t)i;
    }
}

static void test_numbered(void **state)
{
    struct sizes sizes;

    begin(LINK_ETHERNET);
    assert_null(sizes_parse(&sizes, "64,1518", 64, 16000));
    address(1);
    feed_numbered(&feed, &destinations, &sizes, false, 3, 100);
    for (unsigned k = 0; k < 10; k++) {
        uint8_t frame[1514];
        struct frame_id id;
        uint64_t gap;
        uint32_t size = feed_look(&feed, &gap);

        assert_int_equal(size, k % 2 ? 1514 : 60);
        feed_write(&feed, frame, size, 5000 + k);
        assert_int_equal(frame_judge(frame, size, size, &id), FRAME_GOOD);
        assert_true(id.flow == k % 3 && id.seq == 100 + k / 3 && id.time_ns == 5000 + k);
    }
}

/* Flow i goes to address i modulo their number, also where the flows are no multiple of the addresses. */
static void test_several_addresses(void **state)
{
    static const uint32_t cases[][2] = {{1, 1}, {2, 2}, {2, 5}, {3, 3}, {3, 7}, {1, 4}};
    struct sizes sizes;

    begin(LINK_ETHERNET);
    assert_null(sizes_parse(&sizes, "64,128,1000", 64, 16000));
    for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        uint32_t n = cases[c][0], flows = cases[c][1];

        address(n);
        feed_numbered(&feed, &destinations, &sizes, true, flows, 7);
        for (uint32_t k = 0; k < 100; k++) {
            static const uint32_t want[] = {60, 124, 996};
            uint8_t frame[1514];
            struct frame_id id;
            uint64_t gap;
            uint32_t size = feed_look(&feed, &gap), to = k % flows % n;

            assert_int_equal(size, want[k % 3] + 4 * (to % 2)); /* the tag comes on top */
            feed_write(&feed, frame, size, k);
            assert_int_equal(frame_judge(frame, size, size, &id), FRAME_GOOD);
            assert_true(id.flow == k % flows && id.seq == 7 + k / flows);
            assert_int_equal(frame[5], to);
            assert_int_equal(frame[12], to % 2 ? 0x81 : 0x08);
        }
    }
}

static void test_replay(void **state)
{
    uint8_t data[3000], frame[1514];
    uint64_t gap;

    begin(LINK_ETHERNET);
    memset(data, 0x11, sizeof(data));
    add(1000, data, 100, 100);
    add(1500, data, 1515, 1515); /* does not fit */
    add(2500, data, 40, 40);     /* too short for Ethernet */
    add(2400, data, 60, 800);    /* snapped, and back in time */
    add(2600, data, 0, 800);     /* nothing of it there */
    assert_null(open_file(false, 0));
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(feed.rounds, round);
        assert_int_equal(feed_look(&feed, &gap), 100);
        assert_int_equal(gap, 0);
        assert_int_equal(feed.rounds, round);
        feed_write(&feed, frame, 100, 0);
        assert_memory_equal(frame, data, 100);
        assert_int_equal(feed_look(&feed, &gap), 60);
        assert_int_equal(gap, 1500);
        feed_write(&feed, frame, 60, 0);
        assert_memory_equal(frame, data, 40);
        for (unsigned i = 40; i < 60; i++)
            assert_int_equal(frame[i], 0);
        assert_int_equal(feed_look(&feed, &gap), 60);
        assert_int_equal(gap, 0);
        feed_write(&feed, frame, 60, 0);
        feed_look(&feed, &gap); /* looks into the next round */
    }
    assert_int_equal(feed.too_long, 3);
    assert_int_equal(feed.padded, 3);
    assert_int_equal(feed.cut, 3);
    feed_close(&feed);
}

/* A file that loses its packets between two rounds ends the feed instead of going round for ever. */
static void test_file_emptied_meanwhile(void **state)
{
    uint8_t data[60] = {0}, frame[1514];
    uint64_t gap;

    begin(LINK_ETHERNET);
    add(1000, data, 60, 60);
    assert_null(open_file(false, 0));
    assert_int_equal(feed_look(&feed, &gap), 60);
    feed_write(&feed, frame, 60, 0);
    assert_int_equal(truncate(path, 24), 0);
    assert_int_equal(feed_look(&feed, &gap), 0);
    feed_close(&feed);
}

static void test_renumber(void **state)
{
    struct frame_layout layout = layout_with_tags(2);
    struct frame_id id = {.seq = 9, .flow = 5}, got;
    uint8_t data[200] = {0}, frame[1514];
    uint64_t gap;

    begin(LINK_ETHERNET);
    frame_build(data, 150, &layout, &id);
    add(1000, data, 154, 154); /* with four bytes of frame check sequence */
    add(1000, data, 100, 150); /* cut: cannot be renumbered */
    memset(data, 0x22, 60);
    add(1000, data, 60, 60);
    assert_null(open_file(true, 1000));
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 3; i++) {
            uint32_t size = feed_look(&feed, &gap);

            feed_write(&feed, frame, size, 77);
            if (i != 0)
                continue;
            assert_int_equal(frame_judge(frame, size, size, &got), FRAME_GOOD);
            assert_true(got.seq == 1000 + round && got.flow == 5 && got.time_ns == 77);
        }
    }
    assert_int_equal(feed.foreign, 10);
    assert_int_equal(feed.next_seq[5], 1005);
    feed_close(&feed);
}

static void assert_useless(const char *why)
{
    uint64_t gap;

    assert_null(open_file(false, 0));
    assert_int_equal(feed_look(&feed, &gap), 0);
    assert_non_null(strstr(feed_why(&feed), why));
    feed_close(&feed);
}

static void test_useless_files(void **state)
{
    static uint8_t data[4000];

    begin(LINK_ETHERNET);
    assert_useless("no packets");
    begin(LINK_ETHERNET);
    add(1, data, 4000, 4000);
    assert_useless("fits");
    begin(LINK_RAW);
    add(1, data, 60, 60);
    assert_useless("link type 101");
    begin(LINK_ETHERNET);
    put_raw(&file, "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 16);
    assert_useless("damaged");
    begin(LINK_ETHERNET);
    file.data[0] = 0;
    assert_non_null(open_file(false, 0));
    feed_close(&feed);
    begin(LINK_ETHERNET);
    assert_string_equal(feed_file(&feed, "/nonexistent", false, 0), "No such file or directory");
    feed_close(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbered), cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_replay),   cmocka_unit_test(test_file_emptied_meanwhile),
        cmocka_unit_test(test_renumber), cmocka_unit_test(test_useless_files),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
