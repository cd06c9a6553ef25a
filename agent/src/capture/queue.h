/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_QUEUE_H
#define NFVCAP_QUEUE_H

#include "clock.h"
#include "counters.h"
#include "filter_batch.h"
#include "packet_stamps.h"
#include "record.h"
#include "storage.h"

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define BURST_MAX 64u

enum when_full {
    WHEN_FULL_DROP, /* keep receiving, count what is lost here */
    WHEN_FULL_WAIT, /* leave packets in the NIC; what it loses then, only it can count */
};

typedef uint64_t (*filter_function)(void *mbuf);

/* A shared allowance of packets (--packets). */
struct budget {
    _Atomic int64_t left;
};

/* One receive queue and what its capture thread knows about it. */
struct queue {
    /* read for every burst */
    struct storage *storage; /* NULL: count only */
    struct rte_mempool *pool;
    filter_function filter;                  /* NULL: none */
    const struct batch_filter *batch_filter; /* the same for a burst of packets in one segment; NULL: there is none */
    uint16_t port, id;
    uint16_t burst;
    uint32_t snaplen;
    uint32_t plain_record_bytes; /* the most that a packet in one segment can add */
    uint32_t reserve_bytes;      /* what may follow the window's limit: a burst of these, and one large packet */
    enum when_full when_full;
    bool stored_at_once;   /* the engine has no buffer: what is accepted is stored */
    struct budget *budget; /* NULL: no limit */
    const struct clock *clock;
    int descriptor;     /* readable when there is something to receive; -1: only polling tells */
    uint64_t *arrivals; /* of the packets of the last burst, to become their stamps; NULL: the port cannot tell */
    struct packet_stamps *packet_stamps; /* the arrivals come from the packets themselves; NULL: CLOCK_REALTIME's */

    /* written for every burst */
    uint64_t poll_tsc; /* the last poll */
    uint64_t stamp_ns; /* the last stamp of the present file */
    uint64_t event_ns; /* when rotation by time or a flush is due next */
    uint64_t rotate_at_ns;
    int64_t step_ns; /* the clock step that the present file lives with */
    uint32_t line_generation;
    struct clock_line line;
    uint64_t max_gap_ticks;
    struct view_ring *view;     /* NULL: nobody looks */
    uint8_t *stage;             /* for stores past the cache: see stream.h */
    uint64_t stream_from_bytes; /* they pay from this mean size of a record on */
    bool streaming;             /* the next burst goes that way */

    struct capture_counters *counters;
    struct storage_counters *storage_counters;
    struct rte_mbuf *packets[BURST_MAX + 8]; /* never NULL: the prefetch looks ahead */
} __attribute__((aligned(64)));

/* Receive and handle one burst; the number of packets that came. One function per record format and instruction set. */
typedef unsigned (*poll_function)(struct queue *q);

struct datapath {
    const char *name; /* "x86-64-v2" … */
    poll_function count;
    poll_function store[N_FORMATS];
    poll_function store_filtered[N_FORMATS];
};

extern const struct datapath datapath_v2, datapath_v3, datapath_v4;

/* The fastest one that this processor runs; name (may be NULL) asks for one. NULL when it is unknown or cannot run. */
const struct datapath *datapath_choose(const char *name);

/* Slow paths, not specialised. */
void queue_init(struct queue *q, const struct clock *clock);
void queue_view(struct queue *q, const uint8_t *records, uint32_t bytes, uint32_t packets);
void queue_event(struct queue *q, uint64_t now_ns); /* rotation by time, flush */
void queue_idle(struct queue *q);                   /* nothing came for a while: is an event due? */
void queue_begin_file(struct queue *q);             /* the storage has entered a new file */
/* The arrivals become stamps, in the time of the present file: they follow each other, and none lies ahead. */
void queue_stamp_arrivals(struct queue *q, unsigned n);
#endif
