/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_MEMORY_H
#define NFVCAP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUGE_PAGE_BYTES (2ull << 20)

struct memory {
    uint8_t *base; /* aligned to 2 MiB */
    size_t bytes;
    bool huge; /* reserved huge pages; else ordinary ones, transparent huge where the kernel likes */
};

/*
 * Memory for buffers: huge pages if enough are reserved, on numa_node (-1: anywhere), touched so that no page fault
 * comes later. False with errno set when there is none.
 */
bool memory_get(struct memory *m, size_t bytes, int numa_node);
void memory_release(struct memory *m);

/* Address space of which nothing is backed yet, aligned to 2 MiB; NULL with errno set on failure. */
uint8_t *memory_reserve_addresses(size_t bytes);

#endif
