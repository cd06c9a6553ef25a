/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_COUNTERS_H
#define NFVCAP_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Every packet that a queue delivered is in exactly one place:
 *
 *   received = counted + filtered + lost_buffer + lost_full + buffered + stored + lost_write
 *
 * The left half is written by the capture thread of the queue alone, the right half (what became of packets that
 * were handed to the storage thread) by that storage thread alone. `buffered` is what lies in between; it is zero
 * when a capture has ended. A snapshot is taken under a sequence number, so the sum holds in every sample.
 */
/* A word that one thread writes and others read. */
typedef _Atomic uint64_t counter;

struct capture_counters {      /* single writer: the capture thread */
    _Atomic uint64_t sequence; /* odd while a burst is being added */
    counter received;
    counter received_bytes;
    counter filtered;       /* the filter said no: not a loss */
    counter lost_buffer;    /* no free buffer: the storage was too slow */
    counter lost_full;      /* no room on the file system, seen before the packet was copied */
    counter counted;        /* count-only: looked at and let go */
    counter accepted;       /* copied into a buffer or a mapped file */
    counter accepted_bytes; /* record bytes, headers included */
    counter truncated;      /* of the accepted: cut by the snap length */
    counter polls;
    counter empty_polls;
    counter full_polls;   /* bursts that came back full: more was waiting */
    counter max_gap_ns;   /* longest time between two polls: the error bound of the stamps */
    counter unstamped;    /* had no time of their own that can be believed, where the port should give them one */
    counter view_dropped; /* packets that the live view did not get; nothing to do with storage */
} __attribute__((aligned(64)));

struct storage_counters { /* single writer: the storage thread (the capture thread when files are mapped) */
    counter stored;
    counter stored_bytes;
    counter lost_write; /* buffered, then refused by the file system */
    counter files;      /* files begun */
    counter files_removed;
} __attribute__((aligned(64)));

struct queue_snapshot {
    uint64_t received, received_bytes, counted, filtered, lost_buffer, lost_full, accepted, accepted_bytes, truncated;
    uint64_t polls, empty_polls, full_polls, max_gap_ns, unstamped, view_dropped;
    uint64_t stored, stored_bytes, lost_write, buffered, files, files_removed;
};

void counters_snapshot(struct capture_counters *c, struct storage_counters *s, struct queue_snapshot *out);

void snapshot_add(struct queue_snapshot *sum, const struct queue_snapshot *one);

/* The names and values of a snapshot, in the order in which they are shown everywhere. */
typedef void (*counter_visitor)(void *arg, const char *name, uint64_t value, const char *help);
void snapshot_visit(const struct queue_snapshot *s, counter_visitor visit, void *arg);

static inline uint64_t count_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void count_set(counter *c, uint64_t value)
{
    atomic_store_explicit(c, value, memory_order_relaxed);
}

/* Only the one writer of this counter may call it: it is not an atomic addition. */
static inline void count_add(counter *c, uint64_t n)
{
    count_set(c, count_read(c) + n);
}

static inline void counters_begin(struct capture_counters *c)
{
    uint64_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);
    atomic_store_explicit(&c->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static inline void counters_end(struct capture_counters *c)
{
    uint64_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);
    atomic_store_explicit(&c->sequence, sequence + 1, memory_order_release);
}

#endif
