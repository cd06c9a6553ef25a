/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's times of arrival become stamps that follow our clock, whatever is done to the system's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/arrivals.h"

#define SECOND 1000000000ull
#define NOW (1700000000 * SECOND)
#define TAI (37 * SECOND)

static void test_one_clock(void **state)
{
    uint64_t at[] = {NOW - 5000, NOW - 4000, NOW - 4000, NOW};
    assert_true(arrivals_to_stamps(at, 4, NOW, NOW, 0) == NOW);
    assert_true(at[0] == NOW - 5000 && at[1] == NOW - 4000 && at[2] == NOW - 4000 && at[3] == NOW);
}

static void test_another_scale(void **state)
{
    uint64_t at[] = {NOW - 5000, NOW - 1};
    assert_true(arrivals_to_stamps(at, 2, NOW, NOW + TAI, 0) == NOW + TAI - 1);
    assert_true(at[0] == NOW + TAI - 5000);
}

/* The clock is set an hour back, or on, between the packets and now: ours is not. */
static void test_steps(void **state)
{
    uint64_t back[] = {NOW - 3000, NOW - 2000, NOW - 3600 * SECOND - 500};
    assert_true(arrivals_to_stamps(back, 3, NOW - 3600 * SECOND, NOW, NOW - 9000) == NOW);
    assert_true(back[0] == NOW && back[1] == NOW && back[2] == NOW);
    uint64_t on[] = {NOW - 3000, NOW - 2000, NOW + 3600 * SECOND - 500};
    assert_true(arrivals_to_stamps(on, 3, NOW + 3600 * SECOND, NOW, NOW - 9000) == NOW - 500);
    assert_true(on[0] == NOW - 9000 && on[1] == NOW - 9000);
}

static void test_never_backward(void **state)
{
    uint64_t last = 0, now = NOW;
    srand(1);
    for (unsigned round = 0; round < 10000; round++) {
        uint64_t at[64], system = now + (uint64_t)(rand() % 3 == 0 ? rand() % 1000 * (int64_t)SECOND / 100 : 0);
        unsigned n = (unsigned)rand() % 65;
        for (unsigned i = 0; i < n; i++)
            at[i] = now - (uint64_t)(rand() % 20000000);
        uint64_t before = last;
        last = arrivals_to_stamps(at, n, system, now, last);
        for (unsigned i = 0; i < n; i++) {
            assert_true(at[i] >= before && at[i] <= now);
            before = at[i];
        }
        assert_true(last == before);
        now += (uint64_t)(rand() % 10000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_clock),
        cmocka_unit_test(test_another_scale),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_never_backward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
