/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "capture/counters.h"
#include "capture/spsc.h"

static struct capture_counters capture;
static struct storage_counters storage;
static _Atomic bool stop;

static void *capture_thread(void *arg)
{
    for (unsigned i = 1; !atomic_load(&stop); i++) {
        unsigned n = i % 64 + 1, filtered = i % 5 == 0 ? n / 2 : 0, lost = i % 7 == 0 ? n - filtered : 0;
        counters_begin(&capture);
        count_add(&capture.received, n);
        count_add(&capture.filtered, filtered);
        count_add(&capture.lost_buffer, lost);
        count_add(&capture.accepted, n - filtered - lost);
        counters_end(&capture);
    }
    return NULL;
}

static void *storage_thread(void *arg)
{
    while (!atomic_load(&stop)) {
        uint64_t accepted = count_read(&capture.accepted);
        uint64_t done = count_read(&storage.stored) + count_read(&storage.lost_write);
        uint64_t n = accepted - done;
        count_add(&storage.lost_write, n / 8);
        count_add(&storage.stored, n - n / 8);
    }
    return NULL;
}

/* received = everything else, in every sample, while both writers run. */
static void test_sum_holds_at_any_time(void **state)
{
    pthread_t a, b;
    pthread_create(&a, NULL, capture_thread, NULL);
    pthread_create(&b, NULL, storage_thread, NULL);
    uint64_t last = 0;
    for (int i = 0; i < 20000 || last == 0; i++) {
        struct queue_snapshot s;
        counters_snapshot(&capture, &storage, &s);
        uint64_t sum = s.counted + s.filtered + s.lost_buffer + s.lost_full + s.buffered + s.stored + s.lost_write;
        assert_int_equal(s.received, sum);
        assert_true(s.buffered <= s.accepted);
        assert_true(s.received >= last);
        last = s.received;
    }
    atomic_store(&stop, true);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
}

static void test_sum_of_queues(void **state)
{
    struct queue_snapshot sum = {.received = 1, .max_gap_ns = 5}, one = {.received = 2, .max_gap_ns = 3};
    snapshot_add(&sum, &one);
    assert_int_equal(sum.received, 3);
    assert_int_equal(sum.max_gap_ns, 5);
}

static struct spsc ring;

static void *producer(void *arg)
{
    for (uintptr_t i = 1; i <= 1000000;) {
        if (spsc_push(&ring, (void *)i))
            i++;
    }
    return NULL;
}

static void test_ring_keeps_the_order(void **state)
{
    pthread_t t;
    pthread_create(&t, NULL, producer, NULL);
    for (uintptr_t want = 1; want <= 1000000;) {
        void *p = spsc_pop(&ring);
        if (p == NULL)
            continue;
        if ((uintptr_t)p != want)
            fail();
        want++;
    }
    pthread_join(t, NULL);
    assert_true(spsc_empty(&ring));
}

static void test_ring_refuses_when_full(void **state)
{
    static struct spsc r;
    for (unsigned i = 0; i < SPSC_SLOTS; i++)
        assert_true(spsc_push(&r, &r));
    assert_false(spsc_push(&r, &r));
    assert_ptr_equal(spsc_pop(&r), &r);
    assert_true(spsc_push(&r, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum_holds_at_any_time),
        cmocka_unit_test(test_sum_of_queues),
        cmocka_unit_test(test_ring_keeps_the_order),
        cmocka_unit_test(test_ring_refuses_when_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
