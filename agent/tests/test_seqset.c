/* SPDX-License-Identifier: Apache-2.0 */
#include "offline/seqset.h"

#include "frames.h"

/* A plain array of truth to compare with: numbers BASE to BASE + MODEL - 1. */
#define MODEL 300000u

struct model {
    bool in[MODEL];
    uint64_t base;
    uint64_t next; /* while spans are compared */
};

static void compare_span(void *arg, uint64_t first, uint64_t last)
{
    struct model *m = arg;

    for (uint64_t i = m->next; i < first; i++)
        assert_false(m->in[i - m->base]);
    for (uint64_t i = first; i <= last; i++)
        assert_true(m->in[i - m->base]);
    assert_true(first == m->base || first == m->next || first > m->next);
    if (first != m->base)
        assert_false(m->in[first - 1 - m->base]); /* spans are as long as they can be */
    m->next = last + 1;
}

static void compare(const struct seqset *set, struct model *m)
{
    uint64_t count = 0;

    m->next = m->base;
    assert_true(seqset_each_span(set, compare_span, m));
    for (uint64_t i = m->next; i < m->base + MODEL; i++)
        assert_false(m->in[i - m->base]);
    for (uint64_t i = 0; i < MODEL; i++)
        count += m->in[i];
    assert_int_equal(count, set->count);
}

static void add(struct seqset *set, struct model *m, uint64_t at, uint64_t n)
{
    uint64_t new = 0, added;

    for (uint64_t i = at; i < at + n; i++) {
        new += !m->in[i];
        m->in[i] = true;
    }
    assert_true(seqset_add(set, m->base + at, n, &added));
    assert_int_equal(added, new);
}

/* Ranges of all lengths in all orders, over several pages, through every form a page can have. */
static void test_against_model(void **state)
{
    static const uint64_t bases[] = {0, 65530, 1ull << 40, UINT64_MAX - MODEL};
    struct model *m = calloc(1, sizeof(*m));
    uint64_t seed = 21;

    for (unsigned round = 0; round < 24; round++) {
        struct seqset set = {0};
        uint64_t longest = (uint64_t[]){1, 2, 40, 5000, 100000, 300}[round % 6];

        memset(m, 0, sizeof(*m));
        m->base = bases[round % 4];
        for (unsigned i = 0; i < 4000; i++) {
            uint64_t n = random_below(&seed, longest + 1);

            if (longest > 1000 && i > 40)
                break;
            add(&set, m, random_below(&seed, MODEL - n), n);
        }
        compare(&set, m);
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t at = random_below(&seed, MODEL);

            assert_int_equal(seqset_has(&set, m->base + at), m->in[at]);
        }
        seqset_free(&set);
    }
    free(m);
}

static void test_every_other_number(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    struct seqset set = {0}, other = {0};
    size_t most;

    for (uint64_t i = 0; i < MODEL; i += 2)
        add(&set, m, i, 1);
    compare(&set, m);
    most = set.bytes;
    for (uint64_t i = MODEL - 1; i < MODEL; i -= 2) /* the others, downward */
        add(&set, m, i, 1);
    compare(&set, m);
    assert_true(most < (MODEL / 65536 + 1) * 8192 + 4096);
    assert_true(set.bytes < 8192 + 4096); /* full pages need none but the last */
    assert_true(seqset_add_set(&other, &set));
    compare(&other, m);
    seqset_free(&set);
    seqset_free(&other);
    free(m);
}

static void test_join(void **state)
{
    struct model *m = calloc(1, sizeof(*m));
    uint64_t seed = 22;

    for (unsigned round = 0; round < 10; round++) {
        struct seqset a = {0}, b = {0};

        memset(m, 0, sizeof(*m));
        for (unsigned i = 0; i < 3000; i++)
            add(&a, m, random_below(&seed, MODEL - 20), random_below(&seed, 20));
        for (unsigned i = 0; i < 3000; i++) {
            uint64_t at = random_below(&seed, MODEL - 20), n = random_below(&seed, 20), added;

            assert_true(seqset_add(&b, at, n, &added));
            for (uint64_t k = at; k < at + n; k++)
                m->in[k] = true;
        }
        assert_true(seqset_add_set(&a, &b));
        compare(&a, m);
        seqset_free(&a);
        seqset_free(&b);
    }
    free(m);
}

static void test_top_of_numbers(void **state)
{
    struct seqset set = {0};
    uint64_t added;

    assert_true(seqset_add(&set, UINT64_MAX - 4, 5, &added) && added == 5);
    assert_true(seqset_add(&set, UINT64_MAX, 1, &added) && added == 0);
    assert_true(seqset_has(&set, UINT64_MAX) && !seqset_has(&set, 0));
    seqset_free(&set);
}

static void count_spans(void *arg, uint64_t first, uint64_t last)
{
    (*(uint64_t *)arg)++;
}

/* 10^9 numbers, and numbers scattered over all 64 bits, in bounded memory. */
static void test_memory(void **state)
{
    struct seqset set = {0};
    uint64_t added, seed = 23, spans = 0;

    for (uint64_t i = 0; i < 1000000000; i += 1000)
        assert_true(seqset_add(&set, i, 999, &added) && added == 999);
    assert_int_equal(set.count, 999000000);
    assert_true(set.bytes < 16u << 20);
    assert_true(seqset_each_span(&set, count_spans, &spans));
    assert_int_equal(spans, 1000000);
    seqset_free(&set);

    for (unsigned i = 0; i < 100000; i++)
        assert_true(seqset_add(&set, random_next(&seed), 1, &added));
    assert_true(set.bytes < 100000 * 128);
    seqset_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model), cmocka_unit_test(test_every_other_number),
        cmocka_unit_test(test_join),          cmocka_unit_test(test_top_of_numbers),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
