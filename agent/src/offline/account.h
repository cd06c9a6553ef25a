/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_ACCOUNT_H
#define NFVCAP_ACCOUNT_H

#include "tally.h"

#define ACCOUNT_GIVEN_MAX 64u

/* What should be there. Packet k of a run over F flows belongs to flow k mod F, see frame.h. */
struct expectation {
    bool total_given;
    uint64_t total;
    uint64_t first;   /* number of the first packet of each flow */
    uint32_t flows;   /* 0: up to the highest flow that was seen */
    unsigned n_given; /* flows with a number of packets of their own */
    struct {
        uint16_t flow;
        uint64_t packets;
    } given[ACCOUNT_GIVEN_MAX];
};

/* The account of one flow, or of all together (first, end and expected then mean nothing). */
struct account {
    uint64_t first; /* numbers first ... end - 1 should be there */
    uint64_t end;
    bool expected; /* from the expectation; else the range is what was seen */
    uint64_t packets;
    uint64_t distinct;
    uint64_t duplicates;
    uint64_t missing;
    uint64_t missing_ranges;
    uint64_t beyond; /* distinct numbers outside the range */
    uint64_t reordered;
    uint64_t extent_max;
    bool extent_at_least;
};

typedef void (*missing_fn)(void *arg, uint64_t first, uint64_t last);

/* How many flows there are to account for: expected or seen. */
uint32_t account_flows(const struct tally *t, const struct expectation *e);

/* Is there anything to say of flow `number`? */
bool account_has_flow(const struct tally *t, const struct expectation *e, uint32_t number);

/* Flow `number`, which may never have been seen; each missing range goes to fn. False: out of memory. */
bool account_flow(struct account *a, const struct tally *t, const struct expectation *e, uint32_t number, missing_fn fn,
                  void *arg);

bool account_all(struct account *all, const struct tally *t, const struct expectation *e);

#endif
