/* SPDX-License-Identifier: Apache-2.0 */
#include "offline/flow.h"

#include "frames.h"

static struct flow flow;

static void count(const uint64_t *seq, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_true(flow_count(&flow, seq[i]));
}

static void begin(void)
{
    flow_free(&flow);
    memset(&flow, 0, sizeof(flow));
}

#define COUNT(...)                                   \
    do {                                             \
        const uint64_t seqs[] = {__VA_ARGS__};       \
        begin();                                     \
        count(seqs, sizeof(seqs) / sizeof(seqs[0])); \
        assert_true(flow_end_file(&flow));           \
    } while (0)

static void assert_flow(uint64_t packets, uint64_t distinct, uint64_t reordered, uint64_t extent)
{
    assert_int_equal(flow.packets, packets);
    assert_int_equal(flow.seen.count, distinct);
    assert_int_equal(flow.reordered, reordered);
    assert_int_equal(flow.extent_max, extent);
}

static void test_in_order(void **state)
{
    COUNT(0, 1, 2, 3);
    assert_flow(4, 4, 0, 0);
    COUNT(7, 8, 20, 21, UINT64_MAX - 1, UINT64_MAX);
    assert_flow(6, 6, 0, 0);
    COUNT(0);
    assert_flow(1, 1, 0, 0);
}

static void test_duplicates(void **state)
{
    COUNT(0, 0);
    assert_flow(2, 1, 0, 0);
    COUNT(0, 1, 2, 1, 3, 0, 3);
    assert_flow(7, 4, 0, 0);
}

/* RFC 4737: reordered is what arrives behind a higher number; the extent is the distance to the first of
 * those. */
static void test_reordering(void **state)
{
    COUNT(1, 2, 4, 3, 5); /* 3 is one late */
    assert_flow(5, 5, 1, 1);
    COUNT(1, 2, 4, 5, 6, 3, 7); /* three late */
    assert_flow(7, 7, 1, 3);
    COUNT(5, 1, 2, 3, 4); /* one early: four are late, by up to four */
    assert_flow(5, 5, 4, 4);
    COUNT(1, 3, 2, 5, 4, 7, 6);
    assert_flow(7, 7, 3, 1);
    COUNT(4, 3, 2, 1);
    assert_flow(4, 4, 3, 3);
    COUNT(2, 2, 2, 1); /* duplicates do not add to the distance */
    assert_flow(4, 2, 1, 1);
}

/* The definition, word for word, for short random arrivals. */
static void test_reordering_by_definition(void **state)
{
    uint64_t seed = 31;

    for (unsigned round = 0; round < 3000; round++) {
        uint64_t seq[60], kept[60], reordered = 0, extent = 0;
        unsigned n = 1 + (unsigned)random_below(&seed, 60), n_kept = 0;

        for (unsigned i = 0; i < n; i++)
            seq[i] = i + random_below(&seed, 1 + round % 9);
        for (unsigned i = 0; i < n; i++) {
            bool known = false;

            for (unsigned k = 0; k < n_kept; k++)
                known |= kept[k] == seq[i];
            if (known)
                continue;
            for (unsigned k = 0; k < n_kept; k++)
                if (kept[k] > seq[i]) {
                    reordered++;
                    extent = n_kept - k > extent ? n_kept - k : extent;
                    break;
                }
            kept[n_kept++] = seq[i];
        }
        begin();
        count(seq, n);
        assert_true(flow_end_file(&flow));
        assert_flow(n, n_kept, reordered, extent);
        assert_false(flow.extent_at_least);
    }
}

/* Runs are forgotten after a while: the extent is then a lower bound, and says so. */
static void test_extent_is_bounded(void **state)
{
    begin();
    for (uint64_t i = 1; i < 5000; i++)
        assert_true(flow_count(&flow, 2 * i));
    assert_true(flow_count(&flow, 1));
    assert_true(flow_end_file(&flow));
    assert_int_equal(flow.reordered, 1);
    assert_true(flow.extent_at_least);
    assert_true(flow.extent_max >= 500 && flow.extent_max < 4999);
}

/* Files are judged on their own, numbers are one set. */
static void test_files(void **state)
{
    const uint64_t first[] = {5, 6, 7}, second[] = {0, 1, 2, 7};

    begin();
    count(first, 3);
    assert_true(flow_end_file(&flow));
    count(second, 4);
    assert_true(flow_end_file(&flow));
    assert_true(flow_end_file(&flow)); /* a file without this flow */
    assert_flow(7, 6, 0, 0);
}

static void test_join(void **state)
{
    struct flow other;

    COUNT(0, 1, 3, 2);
    other = flow;
    memset(&flow, 0, sizeof(flow));
    COUNT(2, 3, 4, 9, 8, 7);
    assert_true(flow_join(&flow, &other));
    assert_flow(10, 8, 3, 2);
    flow_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_reordering),
        cmocka_unit_test(test_reordering_by_definition),
        cmocka_unit_test(test_extent_is_bounded),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_join),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    flow_free(&flow);
    return failed;
}
