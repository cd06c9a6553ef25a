/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SENDER_H
#define NFVCAP_SENDER_H

#include <stdatomic.h>

#include <rte_mempool.h>

#include "capture/clock.h"
#include "feed.h"
#include "options.h"
#include "port.h"
#include "quiesce.h"

/* The thread that sends, and what it has counted. It alone writes the counters; read them when it has ended.
 */
struct sender {
    const struct generate_options *options;
    struct port *port;
    struct poller poller;
    struct rte_mempool *pool;
    struct feed feed;
    struct pace pace;
    const struct clock *clock;
    double ticks_per_ns;
    uint32_t link_mbps;
    atomic_bool stop;  /* set by anybody: send no more */
    atomic_bool ended; /* set by the thread */

    uint64_t sent;       /* frames that the driver took */
    uint64_t sent_bytes; /* without frame check sequence */
    uint64_t unsent;     /* made and numbered, but not taken by the driver before the end */
    uint64_t refused;    /* given up because the driver did not take them when they were due (--when-full drop) */
    uint64_t omitted;    /* left out on request (--omit-every) */
    uint64_t bursts;
    uint64_t burst_max;
    uint64_t full;              /* calls that found the port's ring full */
    uint64_t no_mbuf;           /* calls that found no free packet buffer */
    uint64_t first_ns, last_ns; /* of the first and of the last burst */
    uint64_t held_max_ticks;    /* longest from the time that a burst carries until the driver had it */
    bool feed_failed;
};

/* Frames that have had their turn and their number, whatever became of them. */
static inline uint64_t sender_numbered(const struct sender *s)
{
    return s->sent + s->refused + s->omitted;
}

/* How large the packet buffers have to be for frames of this size (without frame check sequence). */
uint32_t sender_room(uint32_t largest);

/* Memory of the EAL that the pool takes. */
uint64_t sender_memory_bytes(uint32_t room);

/* Dies if there is no memory. */
void sender_make_pool(struct sender *s, uint32_t room);

/* Sends until the limits of the options are reached, until `stop`, or until the feed ends. */
void sender_run(struct sender *s);

#endif
