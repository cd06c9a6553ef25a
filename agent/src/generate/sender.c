/* SPDX-License-Identifier: Apache-2.0 */
#include "sender.h"

#include <time.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "error.h"

#define POOL_MBUFS 8191u
#define POOL_CACHE 256u
#define SLEEP_AHEAD_NS 100000u /* a sleep may end so much too late */
#define STALL_NS 10e9          /* a port that takes nothing for so long is given up, */
#define DRAIN_NS 1e9           /* and sooner when the run is over anyway */

struct burst {
    struct rte_mbuf *mbuf[BURST_MAX];
    unsigned n_mbufs; /* ready to be filled */
    uint32_t size;    /* of the frame that comes next; 0: not looked at yet */
    uint64_t tsc;     /* when its first frame was written, */
    uint64_t time_ns; /* and the same as a time, which all of its frames carry */
    struct clock_line line;
    uint32_t generation; /* of the line */
};

uint32_t sender_room(uint32_t largest)
{
    uint32_t room = RTE_ALIGN_CEIL(largest, 64);

    return (room < RTE_MBUF_DEFAULT_DATAROOM ? RTE_MBUF_DEFAULT_DATAROOM : room) + RTE_PKTMBUF_HEADROOM;
}

uint64_t sender_memory_bytes(uint32_t room)
{
    return (uint64_t)(POOL_MBUFS + 1) * (room + sizeof(struct rte_mbuf) + 192) + (4u << 20);
}

void sender_make_pool(struct sender *s, uint32_t room)
{
    s->pool = rte_pktmbuf_pool_create("generate", POOL_MBUFS, POOL_CACHE, 0, (uint16_t)room, s->port->socket);
    if (s->pool == NULL)
        die(EXIT_USAGE, "no memory for packet buffers", rte_strerror(rte_errno),
            "reserve more huge pages on the port's NUMA node");
}

/* Nothing is due for so long: sleep if that is long enough to wake up in time. */
static void idle(const struct sender *s, uint64_t ticks)
{
    double ns = (double)ticks / s->ticks_per_ns;

    if (ns < 2.0 * SLEEP_AHEAD_NS) {
        rte_pause();
        return;
    }
    ns = ns > 1e8 ? 1e8 : ns - SLEEP_AHEAD_NS; /* look at the stop flag ten times a second */

    struct timespec pause = {.tv_nsec = (long)ns};

    nanosleep(&pause, NULL);
}

/* Is the frame that has just been made one of those that are to be left out? */
static bool is_omitted(const struct sender *s, unsigned made)
{
    uint64_t every = s->options->omit_every;

    return every != 0 && (sender_numbered(s) + made + 1) % every == 0;
}

/* Looks at the next frame; false when there is none, with s->feed_failed set if there should be one. */
static bool look(struct sender *s, struct burst *b)
{
    const struct generate_options *o = s->options;
    uint64_t gap_ns;

    b->size = feed_look(&s->feed, &gap_ns);
    if (s->feed.rounds >= o->rounds)
        b->size = 0;
    else if (b->size == 0)
        s->feed_failed = true;
    if (b->size != 0 && o->rate.kind == RATE_FILE)
        pace_wait(&s->pace, gap_ns, s->ticks_per_ns);
    return b->size != 0;
}

static void read_time(const struct sender *s, struct burst *b)
{
    clock_follow(s->clock, &b->generation, &b->line);
    b->tsc = __rdtsc();
    b->time_ns = clock_line_ns(&b->line, b->tsc) + (uint64_t)b->line.step_ns;
}

/*
 * Fills as many buffers as are due; 0 with s->feed_failed set when there is no next frame. The checks of a frame cover
 * its time, so the time is read before the first one is written; from then on nothing is done that waits, above all not
 * for a file: what is there is handed over first.
 */
static unsigned fill(struct sender *s, struct burst *b, uint64_t now, uint64_t limit)
{
    const struct generate_options *o = s->options;
    unsigned n = 0;

    while (n < b->n_mbufs && n < limit) {
        struct rte_mbuf *m = b->mbuf[n];

        if (b->size == 0 && ((n != 0 && !feed_is_ready(&s->feed)) || !look(s, b)))
            break;
        if (!pace_is_due(&s->pace, now))
            break;
        if (n == 0)
            read_time(s, b);
        feed_write(&s->feed, rte_pktmbuf_mtod(m, uint8_t *), b->size, b->time_ns);
        m->data_len = (uint16_t)b->size;
        m->pkt_len = b->size;
        if (o->rate.kind != RATE_FILE)
            pace_took(&s->pace, b->size + FRAME_FCS_LEN);
        b->size = 0;
        if (is_omitted(s, n)) {
            s->omitted++;
            limit--;
        } else {
            n++;
        }
    }
    return n;
}

/* Hands n frames over once: what finds no room when it is due is given up, as on a wire. */
static unsigned hand_over_or_drop(struct sender *s, struct burst *b, unsigned n)
{
    unsigned done;

    for (unsigned i = 0; i < n; i++)
        s->sent_bytes += b->mbuf[i]->pkt_len;
    done = rte_eth_tx_burst(s->port->id, 0, b->mbuf, (uint16_t)n);
    if (done < n)
        s->full++;
    for (unsigned i = done; i < n; i++)
        s->sent_bytes -= b->mbuf[i]->pkt_len;
    rte_pktmbuf_free_bulk(b->mbuf + done, n - done);
    s->sent += done;
    s->refused += n - done;
    s->bursts++;
    s->burst_max = n > s->burst_max ? n : s->burst_max;
    return n;
}

/* Hands n frames over, however often the driver has to be asked; fewer only if it takes no more for seconds.
 */
static unsigned hand_over(struct sender *s, struct burst *b, unsigned n, uint64_t end)
{
    uint64_t progress = __rdtsc();
    unsigned done = 0;

    for (unsigned i = 0; i < n; i++)
        s->sent_bytes += b->mbuf[i]->pkt_len;
    while (done < n) {
        uint16_t taken = rte_eth_tx_burst(s->port->id, 0, b->mbuf + done, (uint16_t)(n - done));
        uint64_t now;
        bool over;

        done += taken;
        if (done == n)
            break;
        now = __rdtsc();
        if (taken != 0)
            progress = now;
        over = now >= end || atomic_load_explicit(&s->stop, memory_order_relaxed);
        if ((double)(now - progress) > (over ? DRAIN_NS : STALL_NS) * s->ticks_per_ns)
            break;
        s->full++;
        quiesce_pass(&s->poller);
        rte_pause();
    }
    for (unsigned i = done; i < n; i++) {
        s->sent_bytes -= b->mbuf[i]->pkt_len;
        s->unsent++;
        rte_pktmbuf_free(b->mbuf[i]);
    }
    s->sent += done;
    s->bursts++;
    s->burst_max = n > s->burst_max ? n : s->burst_max;
    return done;
}

/* Tops up the empty buffers; false when there is none at all. */
static bool refill(struct sender *s, struct burst *b)
{
    unsigned want = s->options->burst - b->n_mbufs;

    if (want != 0 && rte_pktmbuf_alloc_bulk(s->pool, b->mbuf + b->n_mbufs, want) == 0)
        b->n_mbufs += want;
    if (b->n_mbufs != 0)
        return true;
    s->no_mbuf++;
    rte_eth_tx_done_cleanup(s->port->id, 0, 0); /* or the driver keeps the sent ones until the ring is full */
    return false;
}

/* Sends one burst; false when the work is done. */
static bool step(struct sender *s, struct burst *b, uint64_t now, uint64_t end)
{
    uint64_t left = s->options->count - sender_numbered(s), held;
    unsigned n = fill(s, b, now, left), done;

    if (n == 0)
        return b->size != 0; /* else the feed has ended, or the last frame was left out */
    if (s->bursts == 0)
        s->first_ns = b->time_ns;
    s->last_ns = b->time_ns;
    done = s->options->drop_when_full ? hand_over_or_drop(s, b, n) : hand_over(s, b, n, end);
    held = __rdtsc() - b->tsc;
    s->held_max_ticks = held > s->held_max_ticks ? held : s->held_max_ticks;
    if (done < n)
        return false;
    b->n_mbufs -= n;
    for (unsigned i = 0; i < b->n_mbufs; i++)
        b->mbuf[i] = b->mbuf[i + n];
    return sender_numbered(s) < s->options->count;
}

void sender_run(struct sender *s)
{
    const struct generate_options *o = s->options;
    struct burst burst = {0};
    uint64_t start = __rdtsc(), end = UINT64_MAX, now;
    bool more = true;

    if (o->duration_ns != UINT64_MAX)
        end = start + (uint64_t)((double)o->duration_ns * s->ticks_per_ns);
    pace_start(&s->pace, &o->rate, o->burst, s->ticks_per_ns, s->link_mbps, start);
    quiesce_enter(&s->poller);
    while (more && !atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        quiesce_pass(&s->poller);
        if (!refill(s, &burst))
            continue;
        now = __rdtsc();
        if (now >= end)
            break;
        if (pace_begin_burst(&s->pace, now))
            more = step(s, &burst, now, end);
        else
            idle(s, pace_ticks_left(&s->pace, now));
    }
    quiesce_leave(&s->poller);
    rte_pktmbuf_free_bulk(burst.mbuf, burst.n_mbufs);
    atomic_store(&s->ended, true);
}
