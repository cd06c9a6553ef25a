/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC's clock of any rate, that drifts, stops, is set, or does not answer, on the capture's time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/nic_clock.h"

#define START_NS 1700000000000000000ull

/* Ticks per tick of the TSC; the capture's own line takes the TSC for one of 2.5 GHz, whatever it is here. */
struct nic {
    double rate;
    uint64_t tsc0, ticks0;
    bool silent;
};

static bool read_nic(void *arg, uint64_t *ticks)
{
    const struct nic *nic = arg;
    *ticks = nic->ticks0 + (uint64_t)((double)(__rdtsc() - nic->tsc0) * nic->rate);
    return !nic->silent;
}

static struct clock_line our_line(void)
{
    return (struct clock_line){.tsc0 = __rdtsc(), .ns0 = START_NS, .slope = (uint64_t)ldexp(0.4, CLOCK_SLOPE_SHIFT)};
}

static struct nic make_nic(double rate)
{
    return (struct nic){.rate = rate, .tsc0 = __rdtsc(), .ticks0 = 1ull << 60};
}

/* What the NIC's line says now, against what ours says: at most this far apart. */
static int64_t apart_ns(struct nic_clock *n, const struct clock_line *ours)
{
    uint64_t ticks, before = __rdtsc();
    struct clock_line line = {0};
    uint32_t generation = UINT32_MAX;
    n->read(n->arg, &ticks);
    clock_follow(&n->clock, &generation, &line);
    return llabs((int64_t)(clock_line_ns(&line, ticks) - clock_line_ns(ours, before)));
}

static void test_rates(void **state)
{
    /* 0.02: 50 MHz; 0.4: a tick is a nanosecond of ours; 4: faster than the TSC */
    static const double rates[] = {0.02, 0.4, 4};
    for (unsigned i = 0; i < 3; i++) {
        struct nic nic = make_nic(rates[i]);
        struct clock_line ours = our_line();
        struct nic_clock n;
        assert_true(nic_clock_start(&n, read_nic, &nic, &ours));
        assert_in_range(apart_ns(&n, &ours), 0, 1000000); /* the test may be interrupted in between */
        assert_true(fabs(n.discipline.ticks_per_ns / (rates[i] * 2.5) - 1) < 0.01);
    }
}

static void test_no_clock(void **state)
{
    struct clock_line ours = our_line();
    struct nic_clock n;
    struct nic stopped = make_nic(0), slow = make_nic(0.0001), silent = make_nic(1);
    silent.silent = true;
    assert_false(nic_clock_start(&n, read_nic, &stopped, &ours));
    assert_false(nic_clock_start(&n, read_nic, &slow, &ours));
    assert_false(nic_clock_start(&n, read_nic, &silent, &ours));
}

/* Samples that are made up: a NIC of 1 GHz, `ppm` fast. */
static void test_follows_a_drifting_clock(void **state)
{
    struct nic nic = make_nic(0.4);
    struct clock_line ours = our_line();
    struct nic_clock n;
    assert_true(nic_clock_start(&n, read_nic, &nic, &ours));
    double ticks = 0, ns = 0;
    struct clock_sample first = n.discipline.window[n.discipline.n_window - 1], s = first;
    double rate = n.discipline.ticks_per_ns;
    for (unsigned i = 0; i < 240; i++) {
        double ppm = i < 120 ? 30 : -20;
        ns += 0.25e9;
        ticks += 0.25e9 * rate * (1 + ppm * 1e-6);
        s = (struct clock_sample){.tsc = first.tsc + (uint64_t)ticks, .ns = first.ns + (int64_t)ns};
        uint64_t before = clock_line_ns(&n.discipline.line, s.tsc);
        assert_true(nic_clock_feed(&n, &s));
        assert_int_equal(clock_line_ns(&n.discipline.line, s.tsc), before); /* bent, not broken */
    }
    assert_in_range(llabs((int64_t)clock_line_ns(&n.discipline.line, s.tsc) - s.ns), 0, 1000);
}

static void test_set_and_begun_anew(void **state)
{
    struct nic nic = make_nic(0.4);
    struct clock_line ours = our_line();
    struct nic_clock n;
    assert_true(nic_clock_start(&n, read_nic, &nic, &ours));
    nic_clock_update(&n, &ours);
    assert_int_equal(n.n_steps, 0);
    static const int64_t steps[] = {5000000000, -7000000000, -(int64_t)(1ull << 60)}; /* the last: begun at zero */
    for (unsigned i = 0; i < 3; i++) {
        nic.ticks0 += (uint64_t)steps[i];
        nic_clock_update(&n, &ours);
        assert_int_equal(n.n_steps, i + 1);
        assert_in_range(apart_ns(&n, &ours), 0, 1000000);
    }
    nic.silent = true;
    nic_clock_update(&n, &ours);
    assert_int_equal(n.n_failed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_no_clock),
        cmocka_unit_test(test_follows_a_drifting_clock),
        cmocka_unit_test(test_set_and_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
