/* SPDX-License-Identifier: Apache-2.0 */
#include "generate/sizes.h"

#include "frames.h"

static struct sizes sizes;

static void assert_sizes(const char *how, unsigned n, uint64_t sum)
{
    assert_null(sizes_parse(&sizes, how, 64, 16000));
    assert_int_equal(sizes.n, n);
    assert_int_equal(sizes_sum(&sizes), sum);
}

static void test_forms(void **state)
{
    assert_sizes("64", 1, 64);
    assert_sizes("64,965,1518", 3, 64 + 965 + 1518);
    assert_sizes("imix", 12, 7 * 64 + 4 * 594 + 1518);
    assert_sizes("genome", 5, 3 * 64 + 1280 + 1518);
    assert_sizes("genome:abcdefghijz", 11, 64 + 128 + 256 + 512 + 1024 + 1280 + 1518 + 2112 + 9000 + 16000 + 1518);
    assert_int_equal(sizes_largest(&sizes), 16000);
    assert_null(sizes_parse(&sizes, "imix", 72, 16000)); /* the smallest with two tags */
    assert_int_equal(sizes_sum(&sizes), 7 * 72 + 4 * 594 + 1518);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "63",
                                        "16001",
                                        "64,",
                                        ",64",
                                        "64 ",
                                        " 64",
                                        "+64",
                                        "-64",
                                        "64;64",
                                        "imixx",
                                        "genome:",
                                        "genome:k",
                                        "genome:A",
                                        "64k",
                                        "0x40",
                                        "99999999999999999999"};

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_non_null(sizes_parse(&sizes, wrong[i], 64, 16000));
    assert_non_null(sizes_parse(&sizes, "64", 68, 16000)); /* with a tag */
}

static void test_order(void **state)
{
    assert_null(sizes_parse(&sizes, "64,65,66", 64, 16000));
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(sizes_next(&sizes), 64 + i % 3);
}

/* Each round has every size once; the same seed gives the same order, another seed another. */
static void test_seed(void **state)
{
    uint32_t first[1200], other[1200];
    unsigned same = 0, moved = 0;

    for (unsigned pass = 0; pass < 2; pass++) {
        assert_null(sizes_parse(&sizes, "imix", 64, 16000));
        sizes.seed = 7;
        for (unsigned i = 0; i < 1200; i++) {
            uint32_t wire = sizes_next(&sizes);

            if (pass == 0)
                first[i] = wire;
            else
                assert_int_equal(first[i], wire);
        }
    }
    assert_null(sizes_parse(&sizes, "imix", 64, 16000));
    sizes.seed = 8;
    for (unsigned i = 0; i < 1200; i++) {
        other[i] = sizes_next(&sizes);
        same += other[i] == first[i];
        moved += i >= 12 && first[i] != first[i - 12];
    }
    assert_true(same < 1000);
    assert_true(moved > 100);
    for (unsigned round = 0; round < 100; round++) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < 12; i++)
            sum += first[12 * round + i];
        assert_int_equal(sum, 7 * 64 + 4 * 594 + 1518);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
