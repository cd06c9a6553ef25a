/* SPDX-License-Identifier: Apache-2.0 */
#include "offline/account.h"

#include "frames.h"

struct fixture {
    struct tally *tally;
    struct expectation e;
    struct account a;
    char ranges[200];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->tally = tally_new(1u << 30);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tally_free(f->tally);
    free(f);
    return 0;
}

static void add(struct fixture *f, uint16_t number, uint64_t first, uint64_t n)
{
    struct tally *t = f->tally;

    if (t->flows[number] == NULL) {
        t->flows[number] = calloc(1, sizeof(*t->flows[number]));
        t->used[t->n_used++] = number;
    }
    for (uint64_t i = first; i < first + n; i++)
        assert_true(flow_count(t->flows[number], i));
    assert_true(flow_end_file(t->flows[number]));
}

static void note_range(void *arg, uint64_t first, uint64_t last)
{
    char *out = arg;

    sprintf(out + strlen(out), "%llu-%llu ", (unsigned long long)first, (unsigned long long)last);
}

static void account(struct fixture *f, uint32_t number)
{
    f->ranges[0] = '\0';
    assert_true(account_flow(&f->a, f->tally, &f->e, number, note_range, f->ranges));
}

static void assert_all(struct fixture *f, uint64_t missing, uint64_t ranges, uint64_t beyond)
{
    assert_true(account_all(&f->a, f->tally, &f->e));
    assert_int_equal(f->a.missing, missing);
    assert_int_equal(f->a.missing_ranges, ranges);
    assert_int_equal(f->a.beyond, beyond);
}

static void test_nothing_expected(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 10, 5);
    add(f, 0, 20, 5);
    add(f, 0, 30, 1);
    account(f, 0);
    assert_string_equal(f->ranges, "15-19 25-29 ");
    assert_int_equal(f->a.first, 10);
    assert_int_equal(f->a.end, 31);
    assert_false(f->a.expected);
    assert_all(f, 10, 2, 0);
}

static void test_head_and_tail(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 10, 5);
    f->e.total_given = true;
    f->e.total = 20;
    account(f, 0);
    assert_string_equal(f->ranges, "0-9 15-19 ");
    assert_all(f, 15, 2, 0);
    f->e.first = 10;
    account(f, 0);
    assert_string_equal(f->ranges, "15-29 ");
    f->e.first = 11;
    account(f, 0);
    assert_int_equal(f->a.beyond, 1);
}

static void test_nothing_seen(void **state)
{
    struct fixture *f = *state;

    assert_all(f, 0, 0, 0);
    assert_int_equal(account_flows(f->tally, &f->e), 0);
    f->e.total_given = true;
    f->e.total = 100;
    assert_all(f, 100, 1, 0);
    f->e.flows = 3;
    assert_all(f, 100, 3, 0);
}

/* Packet k belongs to flow k mod F and has number k div F. */
static void test_spread_over_flows(void **state)
{
    struct fixture *f = *state;

    for (uint64_t k = 0; k < 1003; k++)
        if (k != 500 && k != 1002)
            add(f, (uint16_t)(k % 4), k / 4, 1);
    f->e.total_given = true;
    f->e.total = 1003;
    assert_all(f, 2, 2, 0);
    account(f, 0);
    assert_string_equal(f->ranges, "125-125 ");
    account(f, 2);
    assert_string_equal(f->ranges, "250-250 ");
    f->e.total = 1001;
    assert_all(f, 1, 1, 1);
    f->e.flows = 5; /* a fifth flow of which nothing came */
    account(f, 4);
    assert_int_equal(f->a.missing, 200);
}

static void test_beyond(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 0, 120);
    add(f, 7, 0, 5); /* a flow that was not sent */
    f->e.total_given = true;
    f->e.total = 100;
    f->e.flows = 1;
    assert_all(f, 0, 0, 25);
}

static void test_flows_of_their_own(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 0, 10);
    add(f, 9, 0, 10);
    f->e.given[0].flow = 9;
    f->e.given[0].packets = 12;
    f->e.given[1].flow = 3;
    f->e.given[1].packets = 2;
    f->e.n_given = 2;
    assert_all(f, 4, 2, 0);
    account(f, 9);
    assert_string_equal(f->ranges, "10-11 ");
    account(f, 3);
    assert_string_equal(f->ranges, "0-1 ");
    account(f, 0); /* not expected: what was seen */
    assert_int_equal(f->a.missing, 0);
    assert_int_equal(account_flows(f->tally, &f->e), 10);
}

static void test_duplicates_over_files(void **state)
{
    struct fixture *f = *state;

    add(f, 0, 0, 10);
    add(f, 0, 5, 10);
    account(f, 0);
    assert_int_equal(f->a.packets, 20);
    assert_int_equal(f->a.distinct, 15);
    assert_int_equal(f->a.duplicates, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_expected),      TEST(test_head_and_tail), TEST(test_nothing_seen),
        TEST(test_spread_over_flows),     TEST(test_beyond),        TEST(test_flows_of_their_own),
        TEST(test_duplicates_over_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
