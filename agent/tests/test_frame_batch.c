/* SPDX-License-Identifier: Apache-2.0 */
/* The vector code says of any frame what frame_judge() says. */
#include "frame_batch.h"

#include "frames.h"

#define ROOM 400u

/* A frame with something wrong, or nothing, or of another kind; all of it repeatable. */
static void make(uint8_t *frame, uint32_t *caplen, uint32_t *wirelen, unsigned tags, uint64_t *seed)
{
    struct frame_layout layout = layout_with_tags(tags);
    struct frame_id id = random_id(seed);
    uint32_t size = frame_size_min(tags) + (uint32_t)(random_next(seed) % 4 ? random_below(seed, 200) : 0);

    memset(frame, (int)random_below(seed, 256), ROOM);
    frame_build(frame, size, &layout, &id);
    *caplen = *wirelen = size;
    switch (random_below(seed, 12)) {
    case 0: /* one bit */
        frame[12 + random_below(seed, size - 12)] ^= (uint8_t)(1u << random_below(seed, 8));
        break;
    case 1: /* snapped */
        *caplen = (uint32_t)random_below(seed, size + 1);
        break;
    case 2: /* cut on the wire */
        *caplen = *wirelen = (uint32_t)random_below(seed, size + 1);
        break;
    case 3: /* longer than the datagram */
        *caplen = *wirelen = size + 4;
        break;
    case 4: /* random lengths */
        *caplen = (uint32_t)random_below(seed, ROOM);
        *wirelen = (uint32_t)random_below(seed, ROOM);
        break;
    case 5: /* a field replaced */
        frame[14 + random_below(seed, 46)] = (uint8_t)random_next(seed);
        break;
    case 6: /* an untagged frame whose bytes look right four further on, and the like */
        memmove(frame + 4 * random_below(seed, 3), frame, 100);
        break;
    case 7: /* no UDP checksum */
        memset(frame + 40 + 4 * tags, 0, 2);
        break;
    default:
        break;
    }
}

static void compare(const char *width, uint64_t seed, unsigned rounds)
{
    static uint8_t frames[FRAME_BATCH][ROOM + FRAME_BATCH_SLACK];
    const uint8_t *data[FRAME_BATCH];
    uint32_t caplen[FRAME_BATCH], wirelen[FRAME_BATCH];
    struct frame_batch out;

    if (!frame_judge_use(width))
        skip();
    assert_string_equal(frame_judge_name(), width);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned n = 1 + (unsigned)random_below(&seed, FRAME_BATCH);
        unsigned tags = (unsigned)random_below(&seed, 3);
        bool mixed = random_below(&seed, 4) == 0;

        for (unsigned i = 0; i < n; i++) {
            data[i] = frames[i];
            make(frames[i], &caplen[i], &wirelen[i], mixed ? (unsigned)random_below(&seed, 3) : tags, &seed);
        }
        memset(&out, 0xa5, sizeof(out));
        frame_judge_batch(&out, n, data, caplen, wirelen);
        for (unsigned i = 0; i < n; i++) {
            struct frame_id id;
            enum frame_verdict want = frame_judge(data[i], caplen[i], wirelen[i], &id);

            assert_int_equal(out.good >> i & 1, want == FRAME_GOOD);
            assert_int_equal(out.corrupt >> i & 1, want == FRAME_CORRUPT);
            assert_int_equal(out.is_short >> i & 1, want == FRAME_SHORT);
            if (want == FRAME_GOOD)
                assert_true(out.seq[i] == id.seq && out.time_ns[i] == id.time_ns && out.flow[i] == id.flow);
        }
        if (n < FRAME_BATCH)
            assert_int_equal((out.good | out.corrupt | out.is_short) >> n, 0);
    }
}

static void test_avx512(void **state)
{
    compare("avx512", 11, 20000);
}

static void test_avx2(void **state)
{
    compare("avx2", 12, 20000);
}

static void test_scalar(void **state)
{
    compare("scalar", 13, 2000);
}

/* Right frames are never left to the slow way, or the vector code would be there for nothing. */
static void stays_fast(const char *width)
{
    static uint8_t frames[FRAME_BATCH][ROOM + FRAME_BATCH_SLACK];
    const uint8_t *data[FRAME_BATCH];
    uint32_t size[FRAME_BATCH];
    uint64_t seed = 14;

    if (!frame_judge_use(width))
        skip();
    for (unsigned tags = 0; tags <= 2; tags++) {
        struct frame_layout layout = layout_with_tags(tags);
        struct frame_batch out;

        for (unsigned i = 0; i < FRAME_BATCH; i++) {
            struct frame_id id = random_id(&seed);

            data[i] = frames[i];
            size[i] = frame_size_min(tags) + (uint32_t)random_below(&seed, 200);
            frame_build(frames[i], size[i], &layout, &id);
        }
        frame_judge_batch(&out, FRAME_BATCH, data, size, size);
        assert_true(out.good == UINT64_MAX);
        assert_int_equal(out.singly, 0);
    }
}

static void test_right_frames_stay_fast(void **state)
{
    stays_fast("avx2");
    stays_fast("avx512");
}

static void test_unknown_width(void **state)
{
    assert_false(frame_judge_use("mmx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avx512),        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_scalar),        cmocka_unit_test(test_right_frames_stay_fast),
        cmocka_unit_test(test_unknown_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
