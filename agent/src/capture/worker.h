/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_WORKER_H
#define NFVCAP_WORKER_H

#include "queue.h"

#include <stdatomic.h>

/* A capture thread: it polls its queues in turn until it is told to stop. */
struct worker;

struct worker_config {
    int cpu;                /* -1: anywhere */
    uint32_t idle_sleep_us; /* after a while without packets; 0: never sleep */
    unsigned index;
};

struct worker *worker_create(const struct worker_config *config, unsigned max_queues);
void worker_add(struct worker *w, struct queue *q, poll_function poll);
void worker_start(struct worker *w);

/* Wait until the thread has polled every queue once: packets would be stored from here on. */
void worker_wait_ready(struct worker *w);

/* Does one of its queues belong to this port? */
bool worker_polls(const struct worker *w, uint16_t port);

/* Keep the thread away from its ports (to restart one), and let it go on. */
void worker_pause(struct worker *w);
void worker_resume(struct worker *w);

/*
 * While the thread is paused: leave the queues of a port that is not started alone, or poll them again. What comes then
 * is not older than since_tsc.
 */
void worker_park(struct worker *w, uint16_t port);
void worker_unpark(struct worker *w, uint16_t port, uint64_t since_tsc);

/* Have every queue of the thread begin a new file. */
void worker_rotate(struct worker *w);

void worker_stop(struct worker *w);             /* ask; returns at once */
uint64_t worker_join(struct worker *w);         /* CPU time that the thread used, ns */
uint64_t worker_cpu_ns(const struct worker *w); /* so far */

#endif
