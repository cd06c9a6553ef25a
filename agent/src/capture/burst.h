/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BURST_H
#define NFVCAP_BURST_H

#include "inline.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

/*
 * What is looked at in a burst before anything is done with it: the first cache line of each mbuf, whole, in a few
 * instructions. Almost always all mbufs of a burst are alike, and a short loop without questions can follow.
 */
#define SMALL_PACKET_BYTES 64u

#define ODD_FLAGS (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_RX_VLAN_STRIPPED)

struct look {
    uint64_t bytes; /* the sum of the packets' lengths */
    uint64_t odd;   /* 0: each is one segment, referenced once, of this queue's pool and nothing special */
    bool whole;     /* each has `least` bytes or more */
    bool small;     /* not odd, and each has its 1 to SMALL_PACKET_BYTES where the pool's mbufs begin their data */
};

typedef uint32_t line_words __attribute__((vector_size(64), may_alias));
typedef uint64_t line_long_words __attribute__((vector_size(64), may_alias));

#define LINE_WORD(field) (offsetof(struct rte_mbuf, field) / 4)
#define LINE_LONG_WORD(field) (offsetof(struct rte_mbuf, field) / 8)

_Static_assert(offsetof(struct rte_mbuf, pool) < 64 && offsetof(struct rte_mbuf, pkt_len) < 64 &&
                   offsetof(struct rte_mbuf, ol_flags) < 64 && offsetof(struct rte_mbuf, data_off) % 8 == 0 &&
                   offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, data_off) + 2 &&
                   offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, data_off) + 4,
               "all that is looked at is in the mbuf's first line");

/* 0 when the mbuf is copied in one piece, and goes back to the pool without another look. */
ALWAYS_INLINE uint64_t oddity(const struct rte_mbuf *m, const struct rte_mempool *pool)
{
    const uint64_t usual = 1ull << 16 | 1ull << 32, counted = 0x0000ffffffff0000ull; /* refcnt, nb_segs */
    uint64_t word;
    memcpy(&word, &m->data_off, sizeof(word));
    return ((word ^ usual) & counted) | (m->ol_flags & ODD_FLAGS) | ((uintptr_t)m->pool ^ (uintptr_t)pool);
}

/* n > 0, least < 2^31. Compares all with the first one, and that one with what is usual. */
ALWAYS_INLINE struct look look_at_burst(struct rte_mbuf *const *packets, unsigned n, const struct rte_mempool *pool,
                                        uint32_t least)
{
    const struct rte_mbuf *m = packets[0];
    const line_words first = *(const line_words *)m;
    line_words differ = {0}, sum = {0}, below = {0}, under = {0};
    for (unsigned i = 0; i < n; i++) {
        line_words line = *(const line_words *)packets[i];
        differ |= line ^ first;
        below |= line - 1;
        under |= line - least;
        sum += line;
    }
    const uint64_t counted = 0x0000ffffffff0000ull;
    line_long_words d = (line_long_words)differ;
    uint64_t rearm = d[LINE_LONG_WORD(data_off)];
    struct look look = {.bytes = sum[LINE_WORD(pkt_len)]};
    look.odd =
        oddity(m, pool) | (rearm & counted) | (d[LINE_LONG_WORD(ol_flags)] & ODD_FLAGS) | d[LINE_LONG_WORD(pool)];
    look.whole = under[LINE_WORD(pkt_len)] >> 31 == 0;
    uint64_t moved = (rearm & 0xffff) | (m->data_off ^ RTE_PKTMBUF_HEADROOM);
    look.small = (look.odd | moved | (below[LINE_WORD(pkt_len)] & ~(SMALL_PACKET_BYTES - 1))) == 0;
    return look;
}

/* Give n mbufs back to the pool. */
ALWAYS_INLINE void free_burst(struct rte_mbuf **packets, unsigned n, struct rte_mempool *pool, uint64_t odd)
{
    if (likely_(odd == 0))
        rte_mempool_put_bulk(pool, (void **)packets, n);
    else
        rte_pktmbuf_free_bulk(packets, n);
}

#endif
