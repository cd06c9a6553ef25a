/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#define SIZE 2048

static void assert_good(const uint8_t *frame, uint32_t caplen, uint32_t wirelen, const struct frame_id *want)
{
    struct frame_id id = {0};

    assert_int_equal(frame_judge(frame, caplen, wirelen, &id), FRAME_GOOD);
    assert_true(id.seq == want->seq && id.time_ns == want->time_ns && id.flow == want->flow);
}

static void test_round_trip(void **state)
{
    uint64_t seed = 1;
    uint8_t frame[SIZE];

    for (unsigned i = 0; i < 20000; i++) {
        unsigned tags = (unsigned)random_below(&seed, 3);
        struct frame_layout layout = layout_with_tags(tags);
        struct frame_id id = random_id(&seed);
        uint32_t size = frame_size_min(tags) + (uint32_t)random_below(&seed, 200);

        assert_true(frame_build(frame, size, &layout, &id));
        assert_good(frame, size, size, &id);
        id = random_id(&seed);
        frame_renumber(frame, size, tags, &id);
        assert_good(frame, size, size, &id);
    }
}

/* The very bytes, so that the format does not change by accident. */
static void test_known_bytes(void **state)
{
    static const char want[] = "02000000000202000000000108004500002e893d400040112558c6120003c6130001"
                               "c003cafe001a8f626e66000000000000000517979cfe362a0000";
    struct frame_layout layout = layout_with_tags(0);
    struct frame_id id = {.seq = 5, .time_ns = 1700000000000000000u, .flow = 3};
    uint8_t frame[60];
    char hex[121];

    assert_true(frame_build(frame, 60, &layout, &id));
    for (unsigned i = 0; i < 60; i++)
        snprintf(hex + 2 * i, 3, "%02x", frame[i]);
    assert_string_equal(hex, want);
}

static void test_sizes_refused(void **state)
{
    static uint8_t frame[FRAME_SIZE_MAX + 1];
    struct frame_id id = {0};

    for (unsigned tags = 0; tags <= 2; tags++) {
        struct frame_layout layout = layout_with_tags(tags);

        assert_false(frame_build(frame, 59 + 4 * tags, &layout, &id));
        assert_true(frame_build(frame, 60 + 4 * tags, &layout, &id));
        assert_true(frame_build(frame, 14 + 4 * tags + 65535, &layout, &id));
        assert_good(frame, 14 + 4 * tags + 65535, 14 + 4 * tags + 65535, &id);
        assert_false(frame_build(frame, 14 + 4 * tags + 65536, &layout, &id));
    }
}

/* Every single bit counts, but for MAC addresses, tag contents, DSCP and TTL. */
static void test_every_bit(void **state)
{
    uint64_t seed = 2;

    for (unsigned tags = 0; tags <= 2; tags++) {
        for (uint32_t extra = 0; extra < 40; extra += 13) {
            struct frame_layout layout = layout_with_tags(tags);
            struct frame_id id = random_id(&seed), got;
            uint32_t size = frame_size_min(tags) + extra, l2 = 14 + 4 * tags;
            uint8_t frame[128];

            frame_build(frame, size, &layout, &id);
            for (uint32_t bit = 0; bit < 8 * size; bit++) {
                uint32_t byte = bit / 8;
                bool tag_content = byte >= 14 && byte < l2 - 2 && (byte - 12) % 4 >= 2;

                if (byte < 12 || tag_content)
                    continue;
                frame[byte] ^= (uint8_t)(1 << bit % 8);
                assert_int_equal(frame_judge(frame, size, size, &got), FRAME_CORRUPT);
                frame[byte] ^= (uint8_t)(1 << bit % 8);
            }
            assert_good(frame, size, size, &id);
        }
    }
}

/* A piece of another frame in the fill, right in itself. */
static void test_mixed_frames(void **state)
{
    struct frame_layout layout = layout_with_tags(0);
    struct frame_id a = {.seq = 1}, b = {.seq = 2}, got;
    uint8_t frame[1514], other[1514];

    frame_build(frame, 1514, &layout, &a);
    frame_build(other, 1514, &layout, &b);
    memcpy(frame + 60 + 16 * 20, other + 60 + 16 * 20, 16 * 10);
    assert_int_equal(frame_judge(frame, 1514, 1514, &got), FRAME_CORRUPT);
}

static void test_snapped(void **state)
{
    uint64_t seed = 3;
    uint8_t frame[SIZE];

    for (unsigned tags = 0; tags <= 2; tags++) {
        struct frame_layout layout = layout_with_tags(tags);
        struct frame_id id = random_id(&seed), got;
        uint32_t size = 300;

        frame_build(frame, size, &layout, &id);
        for (uint32_t caplen = 0; caplen <= size; caplen++) {
            uint8_t *exact = malloc(caplen + 1); /* so that ASan sees a byte too many */

            memcpy(exact, frame, caplen);
            if (caplen >= frame_size_min(tags))
                assert_good(exact, caplen, size, &id);
            else
                assert_int_equal(frame_judge(exact, caplen, size, &got), FRAME_SHORT);
            free(exact);
        }
        /* A capture that forgot how long the frame was. */
        assert_int_equal(frame_judge(frame, 100, 100, &got), FRAME_CORRUPT);
        /* Bytes behind the datagram: a kept frame check sequence. */
        assert_good(frame, size + 4, size + 4, &id);
    }
}

static void test_free_fields(void **state)
{
    struct frame_layout layout = layout_with_tags(1);
    struct frame_id id = {.seq = 7, .time_ns = 8, .flow = 9};
    uint8_t frame[64];
    uint32_t sum = 0;

    frame_build(frame, 64, &layout, &id);
    memset(frame, 0xee, 12);
    frame[15] ^= 0x55;
    /* A router: TTL one less, checksum mended. */
    frame[18 + 8]--;
    frame[18 + 10] = frame[18 + 11] = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)frame[18 + i] << 8 | frame[19 + i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    frame[18 + 10] = (uint8_t)(sum >> 8);
    frame[18 + 11] = (uint8_t)sum;
    assert_good(frame, 64, 64, &id);
}

static void test_not_ours(void **state)
{
    uint64_t seed = 4;
    uint8_t frame[256];
    struct frame_id got;

    for (unsigned i = 0; i < 20000; i++) {
        for (unsigned k = 0; k < sizeof(frame); k += 8) {
            uint64_t v = random_next(&seed);

            memcpy(frame + k, &v, 8);
        }
        frame[12] = 8;
        frame[13] = 0;
        assert_int_equal(frame_judge(frame, 256, 256, &got), FRAME_FOREIGN);
    }
    memset(frame, 0, sizeof(frame)); /* what net_null sends */
    assert_int_equal(frame_judge(frame, 60, 60, &got), FRAME_FOREIGN);
    assert_int_equal(frame_judge(frame, 20, 20, &got), FRAME_FOREIGN);
    assert_int_equal(frame_judge(frame, 0, 0, &got), FRAME_FOREIGN);
}

/* All three marks survive one damage at a time as "corrupt"; two damages are a foreign frame. */
static void test_marks(void **state)
{
    static const unsigned mark_at[3] = {26, 36, 42};
    struct frame_layout layout = layout_with_tags(0);
    struct frame_id id = {.seq = 1}, got;
    uint8_t frame[60];

    frame_build(frame, 60, &layout, &id);
    for (unsigned i = 0; i < 3; i++) {
        frame[mark_at[i]] ^= 0xff;
        assert_int_equal(frame_judge(frame, 60, 60, &got), FRAME_CORRUPT);
        frame[mark_at[(i + 1) % 3]] ^= 0xff;
        assert_int_equal(frame_judge(frame, 60, 60, &got), FRAME_FOREIGN);
        frame[mark_at[i]] ^= 0xff;
        frame[mark_at[(i + 1) % 3]] ^= 0xff;
    }
    frame[12] = 0x86; /* an EtherType of damage */
    assert_int_equal(frame_judge(frame, 60, 60, &got), FRAME_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_known_bytes),  cmocka_unit_test(test_sizes_refused),
        cmocka_unit_test(test_every_bit),   cmocka_unit_test(test_mixed_frames), cmocka_unit_test(test_snapped),
        cmocka_unit_test(test_free_fields), cmocka_unit_test(test_not_ours),     cmocka_unit_test(test_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
