/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_QUIESCE_H
#define NFVCAP_QUIESCE_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Threads that poll ports say when they hold nothing of a driver's, so that another thread can wait for that moment.
 * DPDK's memif driver unmaps the rings that it shares with its peer as soon as the peer leaves, on DPDK's interrupt
 * thread, and does not ask whether a receive call is reading them: see memif_peer.c.
 */
struct poller {
    _Atomic uint64_t passes; /* written by the polling thread alone */
    struct poller *next;
} __attribute__((aligned(64)));

/* The thread is about to poll; quiesce_leave() before it ends. */
void quiesce_enter(struct poller *p);
void quiesce_leave(struct poller *p);

/* Between two polls: nothing that was read from a driver's memory before is used any more. Costs one store. */
static inline void quiesce_pass(struct poller *p)
{
    uint64_t passes = atomic_load_explicit(&p->passes, memory_order_relaxed);
    atomic_store_explicit(&p->passes, passes + 1, memory_order_release);
}

/* Returns when every poll that may have begun before this call has ended. */
void quiesce_wait(void);

#endif
