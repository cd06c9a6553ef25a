/* SPDX-License-Identifier: Apache-2.0 */
#include "seqset.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_NUMBERS 65536u
#define BITMAP_WORDS (PAGE_NUMBERS / 64)
#define BITMAP_BYTES (BITMAP_WORDS * sizeof(uint64_t))
#define SPANS_MAX 1024u /* 4 KiB; more than these become a bit map */
#define ROOM_MIN 16u

struct span {
    uint16_t first;
    uint16_t last;
};

struct seqset_page {
    uint64_t key; /* upper 48 bits of the numbers */
    uint32_t n;   /* numbers in the page; 0: this place in the table is free */
    uint16_t n_spans;
    uint16_t spans_room; /* 0: `bits` is in use; 1: the one span is in `only`, no memory of its own */
    union {
        struct span only;
        struct span *spans;
        uint64_t *bits;
    };
};

static size_t hash(uint64_t key)
{
    return (size_t)(key * 0x9e3779b97f4a7c15u >> 20);
}

static struct seqset_page *find(struct seqset_page *pages, size_t room, uint64_t key)
{
    size_t i = hash(key) & (room - 1);

    while (pages[i].n != 0 && pages[i].key != key)
        i = (i + 1) & (room - 1);
    return &pages[i];
}

static bool grow(struct seqset *set)
{
    size_t room = set->room == 0 ? ROOM_MIN : 2 * set->room;
    struct seqset_page *pages = calloc(room, sizeof(*pages));

    if (pages == NULL)
        return false;
    for (size_t i = 0; i < set->room; i++)
        if (set->pages[i].n != 0)
            *find(pages, room, set->pages[i].key) = set->pages[i];
    free(set->pages);
    set->bytes += (room - set->room) * sizeof(*pages);
    set->pages = pages;
    set->room = room;
    return true;
}

static struct span *spans_of(struct seqset_page *page)
{
    return page->spans_room == 1 ? &page->only : page->spans;
}

/* The bits of word `i` that lie in first...last. */
static uint64_t word_mask(unsigned i, unsigned first, unsigned last)
{
    uint64_t mask = UINT64_MAX;

    if (i == first / 64)
        mask &= UINT64_MAX << first % 64;
    if (i == last / 64)
        mask &= UINT64_MAX >> (63 - last % 64);
    return mask;
}

static unsigned bits_add(uint64_t *bits, unsigned first, unsigned last)
{
    unsigned added = 0;

    for (unsigned i = first / 64; i <= last / 64; i++) {
        uint64_t mask = word_mask(i, first, last);

        added += (unsigned)__builtin_popcountll(mask & ~bits[i]);
        bits[i] |= mask;
    }
    return added;
}

static bool to_bits(struct seqset *set, struct seqset_page *page)
{
    uint64_t *bits = calloc(BITMAP_WORDS, sizeof(*bits));
    struct span *spans = spans_of(page);

    if (bits == NULL)
        return false;
    for (unsigned i = 0; i < page->n_spans; i++)
        bits_add(bits, spans[i].first, spans[i].last);
    if (page->spans_room > 1) {
        set->bytes -= page->spans_room * sizeof(*spans);
        free(page->spans);
    }
    set->bytes += BITMAP_BYTES;
    page->bits = bits;
    page->spans_room = 0;
    page->n_spans = 0;
    return true;
}

static bool spans_grow(struct seqset *set, struct seqset_page *page)
{
    unsigned room = page->spans_room == 1 ? 4 : 2u * page->spans_room;
    struct span *spans = malloc(room * sizeof(*spans));

    if (spans == NULL)
        return false;
    memcpy(spans, spans_of(page), page->n_spans * sizeof(*spans));
    set->bytes += room * sizeof(*spans);
    if (page->spans_room > 1) {
        set->bytes -= page->spans_room * sizeof(*spans);
        free(page->spans);
    }
    page->spans = spans;
    page->spans_room = (uint16_t)room;
    return true;
}

/* The first span that ends at `number` or later. */
static unsigned span_at(const struct span *spans, unsigned n, unsigned number)
{
    unsigned low = 0;

    if (n == 0 || spans[n - 1].last < number) /* in order: behind all others */
        return n;
    while (low < n) {
        unsigned middle = (low + n) / 2;

        if (spans[middle].last < number)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static bool spans_add(struct seqset *set, struct seqset_page *page, unsigned first, unsigned last, unsigned *added)
{
    struct span *spans = spans_of(page);
    /* Spans that touch count as well: they become one with the new one. */
    unsigned from = span_at(spans, page->n_spans, first == 0 ? 0 : first - 1), to = from;
    unsigned low = first, high = last, there = 0;

    while (to < page->n_spans && spans[to].first <= last + 1) {
        unsigned a = spans[to].first > first ? spans[to].first : first;
        unsigned b = spans[to].last < last ? spans[to].last : last;

        if (a <= b)
            there += b - a + 1;
        if (spans[to].first < low)
            low = spans[to].first;
        if (spans[to].last > high)
            high = spans[to].last;
        to++;
    }
    if (to == from) {
        if (page->n_spans == page->spans_room) {
            if (!spans_grow(set, page))
                return false;
            spans = spans_of(page);
        }
        memmove(&spans[from + 1], &spans[from], (page->n_spans - from) * sizeof(*spans));
        page->n_spans++;
    } else {
        memmove(&spans[from + 1], &spans[to], (page->n_spans - to) * sizeof(*spans));
        page->n_spans = (uint16_t)(page->n_spans - (to - from - 1));
    }
    spans[from] = (struct span){(uint16_t)low, (uint16_t)high};
    *added = last - first + 1 - there;
    return true;
}

/* A full page needs no memory of its own. */
static void make_full(struct seqset *set, struct seqset_page *page)
{
    if (page->spans_room == 1)
        return;
    set->bytes -= page->spans_room == 0 ? BITMAP_BYTES : page->spans_room * sizeof(struct span);
    free(page->spans);
    page->spans_room = 1;
    page->n_spans = 1;
    page->only = (struct span){0, PAGE_NUMBERS - 1};
}

static bool page_add(struct seqset *set, uint64_t key, unsigned first, unsigned last, uint64_t *new)
{
    struct seqset_page *page;
    unsigned added = 0;

    if (2 * set->n_pages >= set->room && !grow(set))
        return false;
    page = find(set->pages, set->room, key);
    if (page->n == 0) {
        *page = (struct seqset_page){.key = key, .spans_room = 1};
        set->n_pages++;
    }
    if (page->spans_room == SPANS_MAX && page->n_spans == SPANS_MAX && !to_bits(set, page))
        return false;
    if (page->spans_room == 0)
        added = bits_add(page->bits, first, last);
    else if (!spans_add(set, page, first, last, &added))
        return false;
    page->n += added;
    set->count += added;
    *new += added;
    if (page->n == PAGE_NUMBERS)
        make_full(set, page);
    return true;
}

bool seqset_add(struct seqset *set, uint64_t first, uint64_t n, uint64_t *added)
{
    *added = 0;
    while (n != 0) {
        unsigned low = (unsigned)(first % PAGE_NUMBERS);
        uint64_t here = PAGE_NUMBERS - low < n ? PAGE_NUMBERS - low : n;

        if (!page_add(set, first / PAGE_NUMBERS, low, low + (unsigned)here - 1, added))
            return false;
        first += here;
        n -= here;
    }
    return true;
}

bool seqset_has(const struct seqset *set, uint64_t number)
{
    unsigned low = (unsigned)(number % PAGE_NUMBERS), i;
    struct seqset_page *page;

    if (set->room == 0)
        return false;
    page = find(set->pages, set->room, number / PAGE_NUMBERS);
    if (page->n == 0)
        return false;
    if (page->spans_room == 0)
        return page->bits[low / 64] >> low % 64 & 1;
    i = span_at(spans_of(page), page->n_spans, low);
    return i < page->n_spans && spans_of(page)[i].first <= low;
}

/* Calls fn(arg, first, last) for the runs of one page; spans within the page only. */
static void page_each(struct seqset_page *page, seqset_span_fn fn, void *arg)
{
    uint64_t base = page->key * PAGE_NUMBERS;
    unsigned at = 0;

    if (page->spans_room != 0) {
        for (unsigned i = 0; i < page->n_spans; i++)
            fn(arg, base + spans_of(page)[i].first, base + spans_of(page)[i].last);
        return;
    }
    while (at < PAGE_NUMBERS) {
        uint64_t word = page->bits[at / 64] >> at % 64;
        unsigned first;

        if (word == 0) {
            at = (at / 64 + 1) * 64;
            continue;
        }
        first = at += (unsigned)__builtin_ctzll(word);
        while (at < PAGE_NUMBERS && (page->bits[at / 64] >> at % 64 & 1) != 0) {
            uint64_t zeros = ~(page->bits[at / 64] >> at % 64);
            unsigned ones = zeros == 0 ? 64 : (unsigned)__builtin_ctzll(zeros);

            at += ones < 64 - at % 64 ? ones : 64 - at % 64;
        }
        fn(arg, base + first, base + at - 1);
    }
}

struct adding {
    struct seqset *set;
    bool failed;
};

static void add_span(void *arg, uint64_t first, uint64_t last)
{
    struct adding *a = arg;
    uint64_t added;

    if (!a->failed && !seqset_add(a->set, first, last - first + 1, &added))
        a->failed = true;
}

bool seqset_add_set(struct seqset *set, const struct seqset *from)
{
    struct adding adding = {.set = set};

    for (size_t i = 0; i < from->room && !adding.failed; i++)
        if (from->pages[i].n != 0)
            page_each(&from->pages[i], add_span, &adding);
    return !adding.failed;
}

static int by_key(const void *a, const void *b)
{
    const struct seqset_page *const *x = a, *const *y = b;

    return ((*x)->key > (*y)->key) - ((*x)->key < (*y)->key);
}

/* Joins the runs of neighbouring pages. */
struct joining {
    seqset_span_fn fn;
    void *arg;
    bool open;
    uint64_t first;
    uint64_t last;
};

static void join_span(void *arg, uint64_t first, uint64_t last)
{
    struct joining *j = arg;

    if (j->open && j->last + 1 == first) {
        j->last = last;
        return;
    }
    if (j->open)
        j->fn(j->arg, j->first, j->last);
    j->open = true;
    j->first = first;
    j->last = last;
}

bool seqset_each_span(const struct seqset *set, seqset_span_fn fn, void *arg)
{
    struct joining joining = {.fn = fn, .arg = arg};
    struct seqset_page **order;
    size_t n = 0;

    if (set->n_pages == 0)
        return true;
    order = malloc(set->n_pages * sizeof(struct seqset_page *));
    if (order == NULL)
        return false;
    for (size_t i = 0; i < set->room; i++)
        if (set->pages[i].n != 0)
            order[n++] = &set->pages[i];
    qsort(order, n, sizeof(struct seqset_page *), by_key);
    for (size_t i = 0; i < n; i++)
        page_each(order[i], join_span, &joining);
    free(order);
    if (joining.open)
        fn(arg, joining.first, joining.last);
    return true;
}

void seqset_free(struct seqset *set)
{
    for (size_t i = 0; i < set->room; i++)
        if (set->pages[i].n != 0 && set->pages[i].spans_room != 1)
            free(set->pages[i].spans);
    free(set->pages);
    *set = (struct seqset){0};
}
