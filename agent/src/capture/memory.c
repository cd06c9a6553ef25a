/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#define MPOL_PREFERRED 1

static void prefer_node(void *base, size_t bytes, int node)
{
    if (node < 0 || node >= 64)
        return;
    unsigned long mask = 1ul << node;
    /* A wish, not a need: on failure the memory is merely farther away. */
    syscall(SYS_mbind, base, bytes, MPOL_PREFERRED, &mask, 65ul, 0u);
}

static void touch(uint8_t *base, size_t bytes, size_t page)
{
    for (size_t i = 0; i < bytes; i += page)
        *(volatile uint8_t *)(base + i) = 0;
}

uint8_t *memory_reserve_addresses(size_t bytes)
{
    uint8_t *p = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    uint8_t *aligned = (uint8_t *)(((uintptr_t)p + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1));
    if (aligned > p)
        munmap(p, (size_t)(aligned - p));
    size_t behind = HUGE_PAGE_BYTES - (size_t)(aligned - p);
    if (behind > 0)
        munmap(aligned + bytes, behind);
    return aligned;
}

bool memory_get(struct memory *m, size_t bytes, int node)
{
    bytes = (bytes + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    m->bytes = bytes;
    m->huge = true;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
    if (p != MAP_FAILED) {
        prefer_node(p, bytes, node);
        if (madvise(p, bytes, MADV_POPULATE_WRITE) == 0) {
            m->base = p;
            return true;
        }
        munmap(p, bytes); /* promised and not there, or a kernel without the call: ordinary pages */
    }
    m->huge = false;
    m->base = memory_reserve_addresses(bytes);
    if (m->base == NULL)
        return false;
    if (mprotect(m->base, bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(m->base, bytes);
        return false;
    }
    prefer_node(m->base, bytes, node);
    madvise(m->base, bytes, MADV_HUGEPAGE);
    if (madvise(m->base, bytes, MADV_POPULATE_WRITE) != 0) {
        if (errno != EINVAL) {
            munmap(m->base, bytes);
            return false;
        }
        touch(m->base, bytes, 4096);
    }
    return true;
}

void memory_release(struct memory *m)
{
    if (m->base != NULL)
        munmap(m->base, m->bytes);
    m->base = NULL;
}
