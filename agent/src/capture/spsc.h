/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SPSC_H
#define NFVCAP_SPSC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bounded ring of pointers between one producer thread and one consumer thread. */
#define SPSC_SLOTS 4096u

struct spsc {
    _Atomic uint32_t head __attribute__((aligned(64))); /* next slot to fill: the producer's */
    _Atomic uint32_t tail __attribute__((aligned(64))); /* next slot to take: the consumer's */
    _Atomic(void *) slots[SPSC_SLOTS] __attribute__((aligned(64)));
};

static inline bool spsc_push(struct spsc *r, void *p)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == SPSC_SLOTS)
        return false;
    atomic_store_explicit(&r->slots[head % SPSC_SLOTS], p, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return true;
}

static inline void *spsc_pop(struct spsc *r)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
        return NULL;
    void *p = atomic_load_explicit(&r->slots[tail % SPSC_SLOTS], memory_order_relaxed);
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return p;
}

static inline bool spsc_empty(const struct spsc *r)
{
    return atomic_load_explicit(&r->tail, memory_order_relaxed) == atomic_load_explicit(&r->head, memory_order_acquire);
}

#endif
