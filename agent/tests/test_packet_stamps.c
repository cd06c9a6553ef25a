/* SPDX-License-Identifier: Apache-2.0 */
/* Times that a driver left in its packets become stamps, those that cannot be do not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture/packet_stamps.h"

#define SECOND 1000000000ull
#define NOW (1700000000 * SECOND)
#define FLAG (1ull << 40)
#define NONE UINT64_MAX

static struct rte_mbuf mbufs[64];
static struct rte_mbuf *packets[64];

static void give(const uint64_t *ticks, unsigned n)
{
    memset(mbufs, 0, sizeof(mbufs));
    for (unsigned i = 0; i < n; i++) {
        packets[i] = &mbufs[i];
        mbufs[i].ol_flags = ticks[i] == NONE ? 0 : FLAG;
        memcpy((uint8_t *)&mbufs[i] + offsetof(struct rte_mbuf, dynfield1), &ticks[i], 8);
    }
}

/* The NIC counts half nanoseconds, and stood at 1000 at NOW. */
static struct packet_stamps from_nic(void)
{
    return (struct packet_stamps){
        .from = {.source = STAMPS_NIC, .offset = offsetof(struct rte_mbuf, dynfield1), .flag = FLAG},
        .line = {.tsc0 = 1000, .ns0 = NOW, .slope = 1ull << (CLOCK_SLOPE_SHIFT - 1)},
    };
}

static unsigned take(struct packet_stamps *s, uint64_t now, int64_t step, uint64_t *last, const uint64_t *ticks,
                     unsigned n)
{
    give(ticks, n);
    const struct packet_moment moment = {.now_ns = now, .step_ns = step};
    return packet_stamps_take(s, packets, n, &moment, last);
}

static void test_nic(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = NOW;
    assert_int_equal(take(&s, NOW + 5000, 0, &last, (uint64_t[]){1000, 3000, 5000}, 3), 0);
    assert_true(s.stamps[0] == NOW && s.stamps[1] == NOW + 1000 && s.stamps[2] == NOW + 2000 && last == NOW + 2000);
    /* Ticks before the line's beginning, and a file that lives with a step of the system clock. */
    s = from_nic();
    last = 0;
    assert_int_equal(take(&s, NOW + 37 * SECOND, 37 * SECOND, &last, (uint64_t[]){200, 1000}, 2), 0);
    assert_true(s.stamps[0] == NOW + 37 * SECOND - 400 && last == NOW + 37 * SECOND);
}

static void test_nic_in_order(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = NOW + 700;
    /* before the last one; back; ahead of now */
    assert_int_equal(take(&s, NOW + 3000, 0, &last, (uint64_t[]){1000, 5000, 4000, 9000}, 4), 0);
    assert_true(s.stamps[0] == NOW + 700 && s.stamps[1] == NOW + 2000 && s.stamps[2] == NOW + 2000);
    assert_true(s.stamps[3] == NOW + 3000 && last == NOW + 3000);
}

static void test_nic_without(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = NOW;
    assert_int_equal(take(&s, NOW + 9000, 0, &last, (uint64_t[]){NONE, 3000, NONE, 5000, NONE}, 5), 3);
    assert_true(s.stamps[0] == NOW + 1000 && s.stamps[2] == NOW + 1000 && s.stamps[4] == NOW + 2000);
    assert_int_equal(take(&s, NOW + 9000, 0, &last, (uint64_t[]){NONE, NONE}, 2), 2);
    assert_true(s.stamps[0] == NOW + 9000 && last == NOW + 9000);
}

static void test_nic_not_believed(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = NOW;
    /* an hour ahead; three seconds before the last one; a raw number of another scale */
    const uint64_t wrong[] = {1000 + 2 * 3600 * SECOND, 1000 - 6 * SECOND, 0x123456789abcdefull, 3000};
    assert_int_equal(take(&s, NOW + 9000, 0, &last, wrong, 4), 3);
    assert_true(s.stamps[0] == NOW + 1000 && s.stamps[3] == NOW + 1000);
    /* of the first burst, what waited in the ring is believed, nothing from the past year */
    last = 0;
    assert_int_equal(take(&s, NOW + 9000, 0, &last, (uint64_t[]){1000 - 20 * SECOND, 1000 - 200 * SECOND}, 2), 1);
    assert_true(s.stamps[0] == NOW - 10 * SECOND);
}

static void test_file(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = NOW;
    s.from.source = STAMPS_FILE;
    /* as they are: long ago, not in order, in the future */
    assert_int_equal(take(&s, NOW, 0, &last, (uint64_t[]){86400000000, 5, NONE, 4000000000000000}, 4), 1);
    assert_true(s.stamps[0] == 86400 * SECOND && s.stamps[1] == 5000 && s.stamps[2] == 5000);
    assert_true(s.stamps[3] == 4000000000 * SECOND && last == s.stamps[3]);
}

static void test_nic_never_backward(void **state)
{
    struct packet_stamps s = from_nic();
    uint64_t last = 0, now = NOW;
    srand(1);
    for (unsigned round = 0; round < 10000; round++) {
        unsigned n = (unsigned)rand() % 64 + 1;
        uint64_t ticks[64], before = last;
        for (unsigned i = 0; i < n; i++) {
            int64_t age = rand() % 8 == 0 ? rand() * (int64_t)rand() : rand() % 20000000 - 10000;
            ticks[i] = rand() % 8 == 0 ? NONE : 1000 + 2 * (now - NOW - (uint64_t)age);
        }
        take(&s, now, 0, &last, ticks, n);
        for (unsigned i = 0; i < n; i++) {
            assert_true(s.stamps[i] >= before && s.stamps[i] <= now);
            before = s.stamps[i];
        }
        assert_true(last == before);
        now += (uint64_t)(rand() % 10000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nic),
        cmocka_unit_test(test_nic_in_order),
        cmocka_unit_test(test_nic_without),
        cmocka_unit_test(test_nic_not_believed),
        cmocka_unit_test(test_nic_never_backward),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
