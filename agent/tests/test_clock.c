/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "capture/clock.h"

/* A TSC of exactly 2.5 GHz whose system clock runs `ppm` fast. */
#define HZ 2.5e9

struct world {
    struct clock clock;
    struct discipline d;
    uint64_t tsc;
    double system_ns;
    double ppm;
};

static struct clock_sample pass(struct world *w, double seconds)
{
    w->tsc += (uint64_t)(seconds * HZ);
    w->system_ns += seconds * 1e9 * (1 + w->ppm * 1e-6);
    return (struct clock_sample){.tsc = w->tsc, .ns = (int64_t)w->system_ns, .bracket_ticks = 60};
}

static int start(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    discipline_start(&w->d, &w->clock, false);
    /* From here on the samples are invented. */
    w->d.n_window = 0;
    w->d.ticks_per_ns = HZ / 1e9;
    w->d.line.slope = (uint64_t)ldexp(1e9 / HZ, CLOCK_SLOPE_SHIFT);
    w->tsc = w->d.line.tsc0;
    w->system_ns = (double)w->d.line.ns0;
    *state = w;
    return 0;
}

static int stop(void **state)
{
    free(*state);
    return 0;
}

static int64_t error_ns(const struct world *w)
{
    return (int64_t)w->system_ns - (int64_t)clock_line_ns(&w->d.line, w->tsc) - w->d.line.step_ns;
}

static void test_follows_a_drifting_clock(void **state)
{
    struct world *w = *state;
    w->ppm = 40;
    for (int i = 0; i < 240; i++) {
        struct clock_sample s = pass(w, 0.25);
        discipline_feed(&w->d, &s);
    }
    assert_in_range(llabs(error_ns(w)), 0, 300);
    assert_true(w->d.ticks_per_ns > HZ / 1e9 * (1 - 50e-6) && w->d.ticks_per_ns < HZ / 1e9);
}

static void test_never_jumps(void **state)
{
    struct world *w = *state;
    srand(7);
    for (int i = 0; i < 400; i++) {
        w->ppm = rand() % 200 - 100;
        struct clock_sample s = pass(w, 0.25);
        s.ns += rand() % 20000 - 10000; /* a bad reading */
        uint64_t before = clock_line_ns(&w->d.line, s.tsc);
        discipline_feed(&w->d, &s);
        /* The new line begins where the old one ends, and it climbs. */
        assert_int_equal(clock_line_ns(&w->d.line, s.tsc), before);
        assert_true(clock_line_ns(&w->d.line, s.tsc + 2500000) > before + 990000);
        assert_true(clock_line_ns(&w->d.line, s.tsc + 2500000) < before + 1010000);
    }
}

static void test_a_step_is_kept_apart(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 40; i++) {
        struct clock_sample s = pass(w, 0.25);
        assert_false(discipline_feed(&w->d, &s));
    }
    w->system_ns += 3600e9; /* somebody sets the clock */
    struct clock_sample s = pass(w, 0.25);
    uint64_t before = clock_line_ns(&w->d.line, s.tsc);
    assert_true(discipline_feed(&w->d, &s));
    assert_int_equal(clock_line_ns(&w->d.line, s.tsc), before);
    assert_in_range(llabs(w->d.line.step_ns - 3600000000000), 0, 2000);
    assert_int_equal(w->d.n_steps, 1);
    assert_in_range(llabs(error_ns(w)), 0, 2000);
}

static void test_a_time_before_the_line(void **state)
{
    struct world *w = *state;
    uint64_t now = clock_line_ns(&w->d.line, w->tsc);
    uint64_t earlier = clock_line_ns(&w->d.line, w->tsc - 2500000);
    assert_true(earlier < now && now - earlier > 900000 && now - earlier < 1100000);
}

static void test_readers_copy_the_line(void **state)
{
    struct world *w = *state;
    uint32_t generation = UINT32_MAX;
    struct clock_line mine = {0};
    for (int i = 0; i < 3; i++) {
        struct clock_sample s = pass(w, 0.25);
        discipline_feed(&w->d, &s);
        clock_follow(&w->clock, &generation, &mine);
        assert_memory_equal(&mine, &w->d.line, sizeof(mine));
    }
}

/* Against this machine's clock, for a moment: the first line must already be good. */
static void test_first_line_is_right(void **state)
{
    struct clock clock = {0};
    struct discipline d;
    discipline_start(&d, &clock, false);
    struct timespec t;
    uint64_t before = __rdtsc();
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t after = __rdtsc();
    int64_t system_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    assert_true((int64_t)clock_line_ns(&d.line, before) <= system_ns + 20000);
    assert_true((int64_t)clock_line_ns(&d.line, after) >= system_ns - 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_follows_a_drifting_clock, start, stop),
        cmocka_unit_test_setup_teardown(test_never_jumps, start, stop),
        cmocka_unit_test_setup_teardown(test_a_step_is_kept_apart, start, stop),
        cmocka_unit_test_setup_teardown(test_a_time_before_the_line, start, stop),
        cmocka_unit_test_setup_teardown(test_readers_copy_the_line, start, stop),
        cmocka_unit_test(test_first_line_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
