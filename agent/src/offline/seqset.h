/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SEQSET_H
#define NFVCAP_SEQSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A set of 64-bit numbers that come mostly in order and mostly without holes. Numbers that share their upper
 * 48 bits form a page; a page is a sorted list of spans while that is short, a bit map of 8 KiB otherwise. A
 * run of 10^9 numbers without holes takes less than 1 MiB, with holes everywhere 125 MiB.
 */
struct seqset_page;

struct seqset {
    struct seqset_page *pages; /* open addressing; NULL before the first number */
    size_t n_pages;
    size_t room;
    size_t bytes;   /* memory in use */
    uint64_t count; /* numbers in the set */
};

/*
 * Adds first ... first + n - 1 (no wrap-around; n may be 0) and returns in *added how many of them are new.
 * False when memory cannot be had; the set is then of no further use but can be freed.
 */
bool seqset_add(struct seqset *set, uint64_t first, uint64_t n, uint64_t *added);

/* Adds all of `from`. */
bool seqset_add_set(struct seqset *set, const struct seqset *from);

bool seqset_has(const struct seqset *set, uint64_t number);

/* Calls fn for each maximal run of consecutive numbers, in ascending order. False when out of memory. */
typedef void (*seqset_span_fn)(void *arg, uint64_t first, uint64_t last);
bool seqset_each_span(const struct seqset *set, seqset_span_fn fn, void *arg);

void seqset_free(struct seqset *set);

#endif
