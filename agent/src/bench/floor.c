/* SPDX-License-Identifier: Apache-2.0 */
#include "floor.h"

#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define BURST 64u
#define LOOK_EVERY 1024u /* bursts between two looks at the clock */

typedef uint64_t block64 __attribute__((vector_size(64), aligned(1), may_alias));

static uint64_t thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One record: 16 bytes of header, the packet. No filter, no snap length, no second segment, no counter. */
static inline uint8_t *put(uint8_t *to, const struct rte_mbuf *m, uint64_t stamp)
{
    uint32_t n = m->pkt_len;
    uint64_t lengths = (uint64_t)n << 32 | n;
    const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);
    memcpy(to, &stamp, 8);
    memcpy(to + 8, &lengths, 8);
    uint32_t i = 0;
    do {
        *(block64 *)(to + 16 + i) = *(const block64 *)(from + i);
        i += 64;
    } while (i < n);
    return to + 16 + n;
}

void FLOOR(uint16_t port, struct rte_mempool *pool, uint8_t *record_to, uint64_t bytes, uint64_t duration_ns,
           struct floor_result *out)
{
    struct rte_mbuf *packets[BURST];
    uint8_t *to = record_to;
    uint8_t *const end = record_to != NULL ? record_to + bytes - (size_t)BURST * 9216 : NULL;
    uint64_t start = thread_cpu_ns(), now = start, n_packets = 0;
    while (now - start < duration_ns) {
        for (unsigned k = 0; k < LOOK_EVERY; k++) {
            unsigned n = rte_eth_rx_burst(port, 0, packets, BURST);
            if (record_to != NULL) {
                uint64_t stamp = __rdtsc();
                if (to >= end)
                    to = record_to;
                for (unsigned i = 0; i < n; i++)
                    to = put(to, packets[i], stamp + i);
            }
            rte_mempool_put_bulk(pool, (void **)packets, n);
            n_packets += n;
        }
        now = thread_cpu_ns();
    }
    out->packets = n_packets;
    out->cpu_ns = now - start;
}
