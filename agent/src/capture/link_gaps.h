/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_LINK_GAPS_H
#define NFVCAP_LINK_GAPS_H

#include <pthread.h>
#include <stdint.h>

#define LINK_GAPS_PORTS 16

/*
 * The time that ports were without link or not started, in nanoseconds of CLOCK_MONOTONIC. A port is in one gap at a
 * time, whatever the reasons for it, so that no moment counts twice. From any thread.
 */
struct link_gaps {
    pthread_mutex_t lock;
    uint64_t closed_ns;
    uint64_t since_ns[LINK_GAPS_PORTS]; /* 0: not in a gap */
};

#define LINK_GAPS_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

/* The port is away from now_ns on; it may be so already. */
void link_gaps_begin(struct link_gaps *g, unsigned port, uint64_t now_ns);

/* The port is there again. How long it was away; 0: it was not. */
uint64_t link_gaps_end(struct link_gaps *g, unsigned port, uint64_t now_ns);

/* All ports together up to now_ns, gaps that are still open included; *n_open (may be NULL): how many those are. */
uint64_t link_gaps_total(struct link_gaps *g, uint64_t now_ns, unsigned *n_open);

#endif
