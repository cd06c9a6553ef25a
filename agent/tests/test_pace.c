/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule against a clock of its own: no real time passes. */
#include "generate/pace.h"

#include "frames.h"

#define TICKS_PER_NS 2.5

static struct pace pace;

static void start(const char *how, unsigned burst, uint32_t link_mbps)
{
    struct rate rate;

    assert_null(rate_parse(&rate, how));
    pace_start(&pace, &rate, burst, TICKS_PER_NS, link_mbps, 1000);
}

/* Sends whatever is due at `now`; how many frames that was. */
static unsigned send_due(uint64_t now, uint32_t wire_bytes)
{
    unsigned n = 0;

    if (!pace_begin_burst(&pace, now))
        return 0;
    while (n < pace.burst && pace_is_due(&pace, now)) {
        pace_took(&pace, wire_bytes);
        n++;
    }
    return n;
}

static void test_rates(void **state)
{
    static const struct {
        const char *text;
        double pps;
    } good[] = {{"1.5", 1.5e6}, {"14.88Mpps", 14.88e6}, {"300kpps", 3e5}, {"2000pps", 2000},
                {".5", 5e5},    {"0.01pps", 0.01}};
    static const char *const wrong[] = {"",     "fast",     "-1",  "1.5 Mpps", "1Gbps", "0",
                                        "0pps", "2000Mpps", "nan", "inf",      "lines"};
    struct rate rate;

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(rate_parse(&rate, good[i].text));
        assert_int_equal(rate.kind, RATE_PACKETS);
        assert_true(rate.packets_per_s > good[i].pps * 0.999999 && rate.packets_per_s < good[i].pps * 1.000001);
    }
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_non_null(rate_parse(&rate, wrong[i]));
    assert_null(rate_parse(&rate, "line"));
    assert_int_equal(rate.kind, RATE_LINE);
    assert_null(rate_parse(&rate, "max"));
    assert_int_equal(rate.kind, RATE_MAX);
    assert_null(rate_parse(&rate, "file"));
    assert_int_equal(rate.kind, RATE_FILE);
}

/* Asked often, each frame goes at its time, and the mean is exact over hours: no rounding adds up. */
static void test_exact_mean(void **state)
{
    uint64_t n = 0, ticks_per_s = (uint64_t)(TICKS_PER_NS * 1e9);

    start("0.333333333333", 32, 0); /* 7500.0000000075 ticks */
    for (uint64_t now = 1000; now < 1000 + ticks_per_s; now += 100)
        n += send_due(now, 64);
    assert_in_range(n, 333333, 333334);
    assert_int_equal(pace.slips, 0);

    start("14.88", 32, 0);
    for (uint64_t i = 0; i < 100000000; i++)
        pace_took(&pace, 64);
    /* 10^8 frames at 14.88 Mpps take 6.72043 s. */
    uint64_t took = (uint64_t)(pace.next >> 32) - 1000, want = (uint64_t)(1e8 / 14.88e6 * 1e9 * TICKS_PER_NS);

    assert_in_range(took, want - 1000, want + 1000);
}

static void test_one_at_a_time(void **state)
{
    start("1", 32, 0); /* 2500 ticks */
    assert_int_equal(send_due(1000, 64), 1);
    assert_int_equal(send_due(3499, 64), 0);
    assert_int_equal(pace_ticks_left(&pace, 3499), 1);
    assert_int_equal(send_due(3500, 64), 1);
    assert_int_equal(send_due(3500, 64), 0);
}

/* Late by less than a burst: made up for. Later: no more than a burst at once, and the rest is slipped. */
static void test_late(void **state)
{
    unsigned n = 0;

    start("1", 8, 0);
    send_due(1000, 64);
    assert_int_equal(send_due(1000 + 5 * 2500, 64), 5);
    assert_int_equal(pace.slips, 0);
    assert_int_equal(send_due(1000 + 105 * 2500, 64), 8);
    assert_int_equal(pace.slips, 1);
    assert_int_equal(pace.slipped_ticks, 91 * 2500); /* 100 were due, 8 went, and the ninth goes at once */
    assert_int_equal(pace.lag_max_ticks, 99 * 2500);
    for (uint64_t now = 1000 + 105 * 2500; now < 1000 + 106 * 2500; now += 10)
        n += send_due(now, 64);
    assert_in_range(n, 1, 2);
}

static void test_line_rate(void **state)
{
    uint64_t n = 0, bytes = 0, second = (uint64_t)(TICKS_PER_NS * 1e9);

    start("line", 32, 10000);
    for (uint64_t now = 1000; now < 1000 + second / 10; now += 150)
        n += send_due(now, 64);
    assert_in_range(n, 1488094, 1488097); /* a tenth of 14.88 Mpps */

    start("line", 32, 1000);
    for (uint64_t now = 1000; now < 1000 + second / 10; now += 150) {
        uint32_t size = 64 + 100 * (now % 10);

        bytes += send_due(now, size) * (size + 20ull);
    }
    assert_in_range(bytes, 12490000, 12510000);
}

static void test_max(void **state)
{
    start("max", 16, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(send_due(1000, 64), 16);
    assert_int_equal(pace_ticks_left(&pace, 1000), 0);
}

/* The times of a file: bursts of frames with the same time go at once, and lateness up to 1 ms is made up
 * for. */
static void test_file(void **state)
{
    start("file", 32, 0);
    assert_true(pace_begin_burst(&pace, 1000));
    pace_wait(&pace, 1000000, TICKS_PER_NS);
    assert_false(pace_is_due(&pace, 1000));
    assert_true(pace_is_due(&pace, 1000 + 2500000));
    pace_wait(&pace, 0, TICKS_PER_NS);
    assert_true(pace_is_due(&pace, 1000 + 2500000));
    assert_true(pace_begin_burst(&pace, 1000 + 2500000 + 2400000));
    assert_int_equal(pace.slips, 0);
    assert_true(pace_begin_burst(&pace, 1000 + 2500000 + 2600000));
    assert_int_equal(pace.slips, 1);
    pace_wait(&pace, 86400000000000ull * 365, TICKS_PER_NS); /* a year */
    assert_false(pace_is_due(&pace, 1ull << 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates), cmocka_unit_test(test_exact_mean), cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_late),  cmocka_unit_test(test_line_rate),  cmocka_unit_test(test_max),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
