/* SPDX-License-Identifier: Apache-2.0 */
/* What several unit tests of the offline code need: a repeatable random source and built frames. */
#ifndef NFVCAP_TESTS_FRAMES_H
#define NFVCAP_TESTS_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

/* splitmix64: the state is the seed. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return random_next(state) % n;
}

static inline struct frame_layout layout_with_tags(unsigned tags)
{
    return (struct frame_layout){
        .dst_mac = {0x02, 0, 0, 0, 0, 2},
        .src_mac = {0x02, 0, 0, 0, 0, 1},
        .tags = (uint8_t)tags,
        .tag_type = {tags == 2 ? 0x88a8 : 0x8100, 0x8100},
        .tag_control = {100, 200},
    };
}

static inline struct frame_id random_id(uint64_t *state)
{
    /* Small and large numbers alike. */
    return (struct frame_id){
        .seq = random_next(state) >> random_below(state, 64),
        .time_ns = random_next(state) >> random_below(state, 64),
        .flow = (uint16_t)(random_next(state) >> random_below(state, 16)),
    };
}

#endif
