/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture loop's body, compiled once per instruction set (DATAPATH names the table).
 *
 * Per burst: receive, one clock read, then per packet one record header and one copy to where the bytes stay; mbufs
 * go back to their pool in one piece. No system call, no lock, no shared counter.
 *
 * Stamps: a packet of this burst arrived after the previous poll and before this one. The burst is spread evenly over
 * that interval in order of arrival; an interval's length is therefore the error bound (max_gap_ns). When bursts come
 * back full, packets waited in the ring before, and their stamps are late by that wait.
 */
#include "build.h"
#include "burst.h"
#include "filter_lanes.h"
#include "filter_tree.h"
#include "queue.h"
#include "stream.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

ALWAYS_INLINE struct scale burst_scale(struct queue *q, uint64_t now_tsc, unsigned n)
{
    clock_follow(q->clock, &q->line_generation, &q->line);
    uint64_t start = clock_line_ns(&q->line, q->poll_tsc) + (uint64_t)q->step_ns;
    uint64_t end = clock_line_ns(&q->line, now_tsc) + (uint64_t)q->step_ns;
    if (start < q->stamp_ns)
        start = q->stamp_ns;
    if (end < start)
        end = start;
    if (unlikely_(end - start > BILLION)) /* this thread stood still: the packets waited, nobody knows since when */
        start = end;
    q->stamp_ns = end;
    uint64_t seconds = start / BILLION;
    return (struct scale){
        .seconds = seconds,
        .base_ns = seconds * BILLION,
        .fraction = (start - seconds * BILLION) << 32,
        .step = ((end - start) << 32) / n,
    };
}

/* True when a stamp of this burst lies beyond the present second. */
ALWAYS_INLINE bool rolls_over(const struct scale *t, unsigned n)
{
    return t->fraction + n * t->step >= BILLION << 32;
}

ALWAYS_INLINE void note_poll(struct queue *q, uint64_t now_tsc, unsigned n)
{
    struct capture_counters *c = q->counters;
    uint64_t gap = now_tsc - q->poll_tsc;
    if (unlikely_(gap > q->max_gap_ticks)) {
        q->max_gap_ticks = gap;
        count_set(&c->max_gap_ns, (uint64_t)((unsigned __int128)gap * q->line.slope >> CLOCK_SLOPE_SHIFT));
    }
    count_add(&c->polls, 1);
    count_add(&c->empty_polls, n == 0);
    count_add(&c->full_polls, n == q->burst);
}

/* What each packet of a burst should have, for the filter to be run the quick way. */
ALWAYS_INLINE uint32_t least_bytes(const struct queue *q)
{
    return q->batch_filter != NULL ? q->batch_filter->tree_bytes : 0;
}

/* One bit per packet that the filter wants. */
ALWAYS_INLINE uint64_t filter_burst(const struct queue *q, unsigned n, const struct look *look)
{
    const struct batch_filter *batch = q->batch_filter;
    if (likely_(batch != NULL && look->odd == 0))
        return batch->is_tree && look->whole ? tree_filter_run(batch, q->packets, n)
                                             : batch_filter_run(batch, q->packets, n);
    uint64_t keep = 0;
    filter_function filter = q->filter;
    for (unsigned i = 0; i < n; i++)
        keep |= (uint64_t)(filter(q->packets[i]) != 0) << i;
    return keep;
}

/*
 * Take the wanted packets of a burst from the budget. What lies behind its end is given back as if it had never come.
 * False when nothing is left of the burst.
 */
static __attribute__((noinline)) bool within_budget(struct queue *q, unsigned *n, uint64_t *keep, struct look *look)
{
    int64_t wanted = __builtin_popcountll(*keep);
    int64_t left = atomic_fetch_sub_explicit(&q->budget->left, wanted, memory_order_relaxed);
    if (left >= wanted)
        return true;
    unsigned allowed = 0;
    while (allowed < *n && ((*keep >> allowed & 1) == 0 || left > 0))
        left -= (int64_t)(*keep >> allowed++ & 1);
    rte_pktmbuf_free_bulk(q->packets + allowed, *n - allowed);
    *n = allowed;
    if (allowed == 0)
        return false;
    *keep &= UINT64_MAX >> (64 - allowed);
    *look = look_at_burst(q->packets, allowed, q->pool, 0);
    return true;
}

/* What a burst adds to the counters. */
struct tally {
    uint64_t bytes, truncated, kept, lost, record_bytes;
};

/* A burst on its way into the window. */
struct batch {
    uint8_t *first;      /* where its first record goes */
    uint8_t *to;         /* where the next one goes */
    uint64_t first_seal; /* the word that makes the first record valid, and with it all of them */
    struct stream stream;
};

/* Where the next record is built. */
ALWAYS_INLINE uint8_t *build_place(const struct batch *b, const bool streamed)
{
    return streamed ? stream_place(&b->stream, b->to) : b->to;
}

ALWAYS_INLINE void seal_record(const enum record_format format, struct batch *b, uint8_t *record, uint64_t seal)
{
    if (b->to == b->first) {
        b->first_seal = seal;
        write_end_marker(format, record);
    } else {
        memcpy(seal_place(format, record), &seal, 8);
    }
}

/* A record that is not built in the stage: empty it first, and begin again behind the record. */
ALWAYS_INLINE uint32_t build_odd(const enum record_format format, const bool streamed, struct batch *b, struct scale *t,
                                 struct rte_mbuf *m, uint32_t length, uint32_t snaplen, uint8_t *stage)
{
    uint64_t seal;
    if (streamed)
        stream_end(&b->stream, b->to);
    uint32_t record = build_record(format, t, m, true, length, snaplen, b->to, &seal);
    seal_record(format, b, b->to, seal);
    if (streamed)
        stream_begin(&b->stream, stage, b->to + record, b->to + record + RECORD_OVERHEAD_MAX);
    return record;
}

/* Make the batch part of the file, at once. x86 keeps the order of stores; those past the cache need the fence. */
ALWAYS_INLINE void commit(const enum record_format format, const bool streamed, struct batch *b)
{
    if (streamed)
        stream_end(&b->stream, b->to);
    write_end_marker(format, b->to);
    if (streamed)
        _mm_sfence();
    atomic_signal_fence(memory_order_release);
    *(volatile seal_word *)seal_place(format, b->first) = b->first_seal;
}

/*
 * Store packets [i, end) of a burst of n as far as the window reaches; returns the first that is not stored. A packet
 * in one segment always fits; one in several segments may need a look at the window's end.
 */
ALWAYS_INLINE unsigned store_packets(struct queue *q, const enum record_format format, const bool filtered,
                                     const bool streamed, uint64_t keep, struct scale *t, unsigned i, unsigned end,
                                     unsigned n, struct tally *tally)
{
    struct window *w = &q->storage->window;
    struct batch b = {.first = w->cur, .to = w->cur};
    uint8_t *const room_end = w->limit + q->reserve_bytes;
    uint8_t *const stage = q->stage;
    uint64_t bytes = 0, truncated = 0, kept = 0;
    const uint32_t snaplen = q->snaplen;
    struct rte_mbuf **packets = q->packets;
    const struct rte_mempool *pool = q->pool;
    if (streamed)
        stream_begin(&b.stream, stage, b.first, b.first + END_MARKER_BYTES);
    for (; i < end; i++) {
        struct rte_mbuf *m = packets[i];
        uint32_t length = m->pkt_len;
        bool odd = oddity(m, pool) != 0;
        if (filtered && (keep >> i & 1) == 0) {
            bytes += length;
            t->fraction += t->step;
            continue;
        }
        rte_prefetch0((uint8_t *)packets[i + 3]->buf_addr + RTE_PKTMBUF_HEADROOM);
        uint32_t record;
        if (unlikely_(odd)) {
            length = odd_packet_length(m);
            uint32_t captured = length < snaplen ? length : snaplen;
            if (b.to + captured + RECORD_OVERHEAD_MAX + (uint64_t)(n - i) * q->plain_record_bytes > room_end)
                break;
            record = build_odd(format, streamed, &b, t, m, length, snaplen, stage);
        } else {
            uint64_t seal;
            uint8_t *place = build_place(&b, streamed);
            record = build_record(format, t, m, false, length, snaplen, place, &seal);
            seal_record(format, &b, place, seal);
        }
        b.to += record;
        if (streamed && b.to - b.stream.line >= STREAM_FLUSH_BYTES)
            stream_flush(&b.stream, b.to);
        bytes += length;
        truncated += length > snaplen;
        kept++;
    }
    if (b.to != b.first) {
        commit(format, streamed, &b);
        w->cur = b.to;
        q->storage->position.packets += kept;
        if (unlikely_(q->view != NULL))
            queue_view(q, b.first, (uint32_t)(b.to - b.first), (uint32_t)kept);
    }
    tally->bytes += bytes;
    tally->truncated += truncated;
    tally->kept += kept;
    tally->record_bytes += (uint64_t)(b.to - b.first);
    return i;
}

/*
 * Store the whole burst; its look was small. It always fits: the window has room for a burst of packets in one segment.
 * The short way: where the data is follows from where the mbuf is, and no packet needs a question.
 */
ALWAYS_INLINE void store_small(struct queue *q, const enum record_format format, struct scale *t, unsigned n,
                               uint64_t bytes, struct tally *tally)
{
    struct window *w = &q->storage->window;
    struct rte_mbuf **packets = q->packets;
    const ptrdiff_t data_offset = rte_pktmbuf_mtod(packets[0], const uint8_t *) - (const uint8_t *)packets[0];
    struct batch b = {.first = w->cur, .to = w->cur};
    write_end_marker(format, b.first);
    for (unsigned i = 0; i < n; i++) {
        uint32_t length = packets[i]->pkt_len;
        uint64_t seal;
        rte_prefetch0((const uint8_t *)packets[i + 3] + data_offset);
        next_stamp(format, t, false);
        *(block64 *)data_place(format, b.to) = *(const block64 *)((const uint8_t *)packets[i] + data_offset);
        uint32_t record = surround_data(format, t, length, length, b.to, &seal);
        if (i == 0)
            b.first_seal = seal;
        else
            memcpy(seal_place(format, b.to), &seal, 8);
        b.to += record;
    }
    commit(format, false, &b);
    w->cur = b.to;
    q->storage->position.packets += n;
    if (unlikely_(q->view != NULL))
        queue_view(q, b.first, (uint32_t)(b.to - b.first), n);
    tally->bytes = bytes;
    tally->kept = n;
    tally->record_bytes = (uint64_t)(b.to - b.first);
}

/* The same where each packet has a stamp of its own. */
static unsigned store_arrivals(struct queue *q, const enum record_format format, const bool filtered, uint64_t keep,
                               unsigned i, unsigned n, struct tally *tally)
{
    for (unsigned next; i < n; i = next) {
        const uint64_t seconds = q->arrivals[i] / BILLION;
        struct scale t = {.seconds = seconds, .base_ns = seconds * BILLION};
        t.fraction = (q->arrivals[i] - t.base_ns) << 32;
        next = store_packets(q, format, filtered, false, keep, &t, i, i + 1, n, tally);
        if (next == i)
            break;
    }
    return i;
}

/* The window ended before the burst did: get another one. */
static __attribute__((noinline)) enum room more_room(struct queue *q)
{
    struct storage *s = q->storage;
    s->window.limit = s->window.cur - 1;
    enum room room = s->ops->advance(s);
    if (s->new_file)
        queue_begin_file(q);
    return room;
}

/* Packets [i, n) of the burst are lost. */
static __attribute__((noinline)) void lose_packets(struct queue *q, unsigned i, unsigned n, uint64_t keep,
                                                   struct tally *tally)
{
    uint64_t lost = 0;
    for (; i < n; i++) {
        tally->bytes += q->packets[i]->pkt_len;
        lost += keep >> i & 1;
    }
    tally->lost += lost;
}

ALWAYS_INLINE unsigned poll_store(struct queue *q, const enum record_format format, const bool filtered)
{
    struct storage *s = q->storage;
    enum room room = ROOM_OK;
    if (unlikely_(s->window.cur > s->window.limit)) {
        room = s->ops->advance(s);
        if (room != ROOM_OK && q->when_full == WHEN_FULL_WAIT)
            return 0;
    }
    if (unlikely_(s->new_file))
        queue_begin_file(q);

    const unsigned received = rte_eth_rx_burst(q->port, q->id, q->packets, q->burst);
    const uint64_t now_tsc = __rdtsc();
    note_poll(q, now_tsc, received);
    if (received == 0) {
        q->poll_tsc = now_tsc;
        return 0;
    }
    unsigned n = received;
    struct look look = look_at_burst(q->packets, n, q->pool, filtered ? least_bytes(q) : 0);
    uint64_t keep = filtered ? filter_burst(q, n, &look) : UINT64_MAX >> (64 - n);
    if (unlikely_(q->budget != NULL) && !within_budget(q, &n, &keep, &look))
        return 0;

    struct scale t = {0};
    if (unlikely_(q->arrivals != NULL))
        queue_stamp_arrivals(q, n);
    else
        t = burst_scale(q, now_tsc, n);
    q->poll_tsc = now_tsc;
    struct tally tally = {0};
    struct capture_counters *c = q->counters;
    if (unlikely_(s->position.first_ns == 0))
        s->position.first_ns = q->stamp_ns;
    s->position.last_ns = q->stamp_ns;
    unsigned i = 0;
    if (likely_(room == ROOM_OK) && look.small && q->arrivals == NULL && n == (unsigned)__builtin_popcountll(keep) &&
        SMALL_PACKET_BYTES <= q->snaplen && (format == FORMAT_PCAPNG || !rolls_over(&t, n))) {
        store_small(q, format, &t, n, look.bytes, &tally);
        i = n;
    }
    while (i < n && likely_(room == ROOM_OK)) {
        if (unlikely_(q->arrivals != NULL))
            i = store_arrivals(q, format, filtered, keep, i, n, &tally);
        else if (q->streaming)
            i = store_packets(q, format, filtered, true, keep, &t, i, n, n, &tally);
        else
            i = store_packets(q, format, filtered, false, keep, &t, i, n, n, &tally);
        if (likely_(i == n))
            break;
        room = more_room(q);
    }
    q->streaming = tally.record_bytes >= n * q->stream_from_bytes;
    if (unlikely_(i < n))
        lose_packets(q, i, n, keep, &tally);
    counters_begin(c);
    count_add(&c->received, n);
    count_add(&c->received_bytes, tally.bytes);
    count_add(&c->filtered, n - tally.kept - tally.lost);
    count_add(&c->accepted, tally.kept);
    count_add(&c->accepted_bytes, tally.record_bytes);
    count_add(&c->truncated, tally.truncated);
    if (unlikely_(tally.lost > 0))
        count_add(room == ROOM_FULL ? &c->lost_full : &c->lost_buffer, tally.lost);
    counters_end(c);
    if (q->stored_at_once)
        count_set(&q->storage_counters->stored, s->position.packets);
    free_burst(q->packets, n, q->pool, look.odd);
    if (unlikely_(q->stamp_ns >= q->event_ns))
        queue_event(q, q->stamp_ns);
    return received;
}

static unsigned poll_count(struct queue *q)
{
    unsigned n = rte_eth_rx_burst(q->port, q->id, q->packets, q->burst);
    const uint64_t now_tsc = __rdtsc();
    note_poll(q, now_tsc, n);
    q->poll_tsc = now_tsc;
    if (n == 0)
        return 0;
    const unsigned received = n;
    struct look look = look_at_burst(q->packets, n, q->pool, least_bytes(q));
    uint64_t keep = q->filter != NULL ? filter_burst(q, n, &look) : UINT64_MAX >> (64 - n);
    if (unlikely_(q->budget != NULL) && !within_budget(q, &n, &keep, &look))
        return 0;
    uint64_t kept = (uint64_t)__builtin_popcountll(keep);
    struct capture_counters *c = q->counters;
    counters_begin(c);
    count_add(&c->received, n);
    count_add(&c->received_bytes, look.bytes);
    count_add(&c->filtered, n - kept);
    count_add(&c->counted, kept);
    counters_end(c);
    free_burst(q->packets, n, q->pool, look.odd);
    return received;
}

#define STORE(name, format)                        \
    static unsigned store_##name(struct queue *q)  \
    {                                              \
        return poll_store(q, format, false);       \
    }                                              \
    static unsigned filter_##name(struct queue *q) \
    {                                              \
        return poll_store(q, format, true);        \
    }

STORE(ns, FORMAT_PCAP_NS)
STORE(us, FORMAT_PCAP_US)
STORE(ng, FORMAT_PCAPNG)

const struct datapath DATAPATH = {
    .name = DATAPATH_NAME,
    .count = poll_count,
    .store = {[FORMAT_PCAP_NS] = store_ns, [FORMAT_PCAP_US] = store_us, [FORMAT_PCAPNG] = store_ng},
    .store_filtered = {[FORMAT_PCAP_NS] = filter_ns, [FORMAT_PCAP_US] = filter_us, [FORMAT_PCAPNG] = filter_ng},
};
