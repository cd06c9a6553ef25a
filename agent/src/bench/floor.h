/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FLOOR_H
#define NFVCAP_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

/*
 * The floor: what a loop costs that does nothing but the unavoidable. Receive and give back; the same with a record per
 * packet copied into memory; the same with that memory being a mapped file in a file system in memory.
 */
struct floor_result {
    uint64_t packets;
    uint64_t cpu_ns;
};

/* record_to NULL: only count. Runs on the calling thread (known to DPDK) for duration_ns of its CPU time. */
typedef void (*floor_function)(uint16_t port, struct rte_mempool *pool, uint8_t *record_to, uint64_t bytes,
                               uint64_t duration_ns, struct floor_result *out);

void floor_v2(uint16_t port, struct rte_mempool *pool, uint8_t *record_to, uint64_t bytes, uint64_t duration_ns,
              struct floor_result *out);
void floor_v3(uint16_t port, struct rte_mempool *pool, uint8_t *record_to, uint64_t bytes, uint64_t duration_ns,
              struct floor_result *out);
void floor_v4(uint16_t port, struct rte_mempool *pool, uint8_t *record_to, uint64_t bytes, uint64_t duration_ns,
              struct floor_result *out);

#endif
