/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

static uint32_t flows_seen(const struct tally *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n_used; i++)
        if (t->used[i] >= n && t->flows[t->used[i]]->packets != 0)
            n = t->used[i] + 1u;
    return n;
}

/* Over how many flows the expected packets are spread. */
static uint32_t flows_expected(const struct tally *t, const struct expectation *e)
{
    uint32_t seen = e->flows != 0 ? e->flows : flows_seen(t);

    return seen != 0 ? seen : 1;
}

uint32_t account_flows(const struct tally *t, const struct expectation *e)
{
    uint32_t n = flows_seen(t);

    if (e->total_given && flows_expected(t, e) > n)
        n = flows_expected(t, e);
    for (unsigned i = 0; i < e->n_given; i++)
        if (e->given[i].flow >= n)
            n = e->given[i].flow + 1u;
    return n;
}

static void expect(struct account *a, const struct tally *t, const struct expectation *e, uint32_t number)
{
    for (unsigned i = 0; i < e->n_given; i++)
        if (e->given[i].flow == number) {
            a->expected = true;
            a->first = e->first;
            a->end = e->first + e->given[i].packets;
            return;
        }
    if (e->total_given) {
        uint32_t flows = flows_expected(t, e);

        a->expected = true;
        a->first = a->end = e->first;
        if (number < flows)
            a->end += e->total / flows + (number < e->total % flows);
    }
}

bool account_has_flow(const struct tally *t, const struct expectation *e, uint32_t number)
{
    struct account a = {0};

    expect(&a, t, e, number);
    return t->flows[number] != NULL || a.end != a.first;
}

struct walk {
    struct account *account;
    missing_fn fn;
    void *arg;
    bool any;
    uint64_t next; /* all below is accounted for */
};

static void gap(struct walk *w, uint64_t first, uint64_t last)
{
    w->account->missing += last - first + 1;
    w->account->missing_ranges++;
    if (w->fn != NULL)
        w->fn(w->arg, first, last);
}

static void take_span(void *arg, uint64_t first, uint64_t last)
{
    struct walk *w = arg;
    struct account *a = w->account;

    a->distinct += last - first + 1;
    if (!a->expected) { /* the range is what was seen */
        if (w->any)
            gap(w, w->next, first - 1);
        else
            a->first = first;
        w->any = true;
        a->end = w->next = last + 1;
        return;
    }
    if (last < a->first || first >= a->end) {
        a->beyond += last - first + 1;
        return;
    }
    if (first < a->first) {
        a->beyond += a->first - first;
        first = a->first;
    }
    if (last >= a->end) {
        a->beyond += last - a->end + 1;
        last = a->end - 1;
    }
    if (first > w->next)
        gap(w, w->next, first - 1);
    w->next = last + 1;
}

bool account_flow(struct account *a, const struct tally *t, const struct expectation *e, uint32_t number, missing_fn fn,
                  void *arg)
{
    const struct flow *f = t->flows[number];
    struct walk walk = {.account = a, .fn = fn, .arg = arg};

    *a = (struct account){0};
    expect(a, t, e, number);
    walk.next = a->first;
    if (f != NULL) {
        a->packets = f->packets;
        a->reordered = f->reordered;
        a->extent_max = f->extent_max;
        a->extent_at_least = f->extent_at_least;
        if (!seqset_each_span(&f->seen, take_span, &walk))
            return false;
    }
    if (a->expected && walk.next < a->end)
        gap(&walk, walk.next, a->end - 1);
    a->duplicates = a->packets - a->distinct;
    return true;
}

bool account_all(struct account *all, const struct tally *t, const struct expectation *e)
{
    uint32_t flows = account_flows(t, e);

    *all = (struct account){0};
    for (uint32_t i = 0; i < flows; i++) {
        struct account a;

        if (!account_flow(&a, t, e, i, NULL, NULL))
            return false;
        all->packets += a.packets;
        all->distinct += a.distinct;
        all->duplicates += a.duplicates;
        all->missing += a.missing;
        all->missing_ranges += a.missing_ranges;
        all->beyond += a.beyond;
        all->reordered += a.reordered;
        if (a.extent_max >= all->extent_max) {
            all->extent_at_least = a.extent_at_least || (a.extent_max == all->extent_max && all->extent_at_least);
            all->extent_max = a.extent_max;
        }
    }
    return true;
}
