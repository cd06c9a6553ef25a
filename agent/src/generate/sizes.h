/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SIZES_H
#define NFVCAP_SIZES_H

#include <stdbool.h>
#include <stdint.h>

#define SIZES_MAX 1024u

/*
 * The sizes of the frames that are sent, over and over in this order; with a seed, each round in an order of
 * its own. Sizes are those of the wire, with the frame check sequence, as testers count (RFC 2544, RFC 6985).
 */
struct sizes {
    uint32_t wire[SIZES_MAX];
    unsigned n;
    unsigned at;
    uint64_t seed; /* 0: no shuffling */
};

/*
 * "64", "64,128,1518", "imix" (7 of 64, 4 of 594, 1 of 1518), "genome" (aaafg) or "genome:LETTERS" with the
 * letters of RFC 6985. NULL, or what is wrong with it. `smallest` and `largest` are the limits, on the wire.
 */
const char *sizes_parse(struct sizes *s, const char *text, uint32_t smallest, uint32_t largest);

uint32_t sizes_next(struct sizes *s);
uint32_t sizes_largest(const struct sizes *s);
uint64_t sizes_sum(const struct sizes *s); /* of one round */

#endif
