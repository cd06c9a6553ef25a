/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_port.h"

#include "packet_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define BURST_MAX 64u
#define ADDRESSES_BYTES 12u
#define TAG_BYTES 4u
#define SETTLE_MS 1000u

struct packet_queue {
    uint64_t arrivals[BURST_MAX];
    struct packet_ring *ring;
    struct rte_mempool *pool;
} __attribute__((aligned(64)));

struct packet_port {
    unsigned n;
    struct packet_ring rings[RTE_MAX_QUEUES_PER_PORT];
    struct packet_queue *queues;
    _Atomic bool ended;
};

/* What a packet is made of: up to three pieces. */
struct piece {
    const uint8_t *from;
    uint32_t bytes;
};

static unsigned cut_up(const struct packet_view *v, struct piece *pieces)
{
    const uint32_t before = v->tagged && v->captured >= ADDRESSES_BYTES ? ADDRESSES_BYTES : v->captured;
    pieces[0] = (struct piece){v->data, before};
    if (!v->tagged)
        return 1;
    pieces[1] = (struct piece){v->tag, TAG_BYTES};
    pieces[2] = (struct piece){v->data + before, v->captured - before};
    return 3;
}

/* The pieces into m and as many more segments as it takes. False when the pool is empty; m stays valid. */
static bool fill_segments(struct rte_mbuf *m, struct rte_mempool *pool, const struct piece *piece, unsigned n)
{
    struct rte_mbuf *segment = m;
    for (; n > 0; n--, piece++) {
        for (uint32_t done = 0; done < piece->bytes;) {
            uint32_t room = rte_pktmbuf_tailroom(segment);
            if (room == 0) {
                struct rte_mbuf *more = rte_pktmbuf_alloc(pool);
                if (more == NULL)
                    return false;
                segment->next = more;
                segment = more;
                m->nb_segs++;
                continue;
            }
            uint32_t bytes = RTE_MIN(room, piece->bytes - done);
            memcpy(rte_pktmbuf_mtod_offset(segment, uint8_t *, segment->data_len), piece->from + done, bytes);
            segment->data_len = (uint16_t)(segment->data_len + bytes);
            m->pkt_len += bytes;
            done += bytes;
        }
    }
    return true;
}

static bool fill(struct rte_mbuf *m, struct rte_mempool *pool, const struct packet_view *v)
{
    if (likely(!v->tagged && v->captured <= rte_pktmbuf_tailroom(m))) {
        memcpy(rte_pktmbuf_mtod(m, uint8_t *), v->data, v->captured);
        m->data_len = (uint16_t)v->captured;
        m->pkt_len = v->captured;
        return true;
    }
    struct piece pieces[3];
    return fill_segments(m, pool, pieces, cut_up(v, pieces));
}

static uint16_t receive(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, uint16_t most, void *arg)
{
    struct packet_queue *q = arg;
    unsigned ready = RTE_MIN(packet_ring_ready(q->ring), RTE_MIN(most, BURST_MAX)), done = 0;
    if (ready == 0 || rte_pktmbuf_alloc_bulk(q->pool, packets, ready) != 0)
        return 0;
    for (; done < ready; done++) {
        struct packet_view v = packet_ring_look(q->ring);
        if (!fill(packets[done], q->pool, &v))
            break; /* it stays in the ring until buffers have come back */
        q->arrivals[done] = v.ns;
        packet_ring_pass(q->ring);
    }
    if (done < ready)
        rte_pktmbuf_free_bulk(packets + done, ready - done);
    return (uint16_t)done;
}

static bool open_queue(struct packet_port *p, uint16_t port, const char *interface, uint64_t ring_bytes,
                       struct rte_mempool *pool, const char **why)
{
    struct packet_queue *q = &p->queues[p->n];
    if (!packet_ring_open(&p->rings[p->n], interface, ring_bytes, why))
        return false;
    *q = (struct packet_queue){.ring = &p->rings[p->n], .pool = pool};
    if (rte_eth_add_rx_callback(port, (uint16_t)p->n++, receive, q) != NULL)
        return true;
    *why = "DPDK does not take the callback";
    errno = ENOTSUP;
    return false;
}

struct packet_port *packet_port_open(uint16_t port, const char *interface, unsigned n_queues, uint64_t ring_bytes,
                                     struct rte_mempool *const *pools, const char **why)
{
    struct packet_port *p = calloc(1, sizeof(*p));
    *why = "out of memory";
    if (p == NULL)
        return NULL;
    p->queues = aligned_alloc(64, n_queues * sizeof(*p->queues));
    bool ok = p->queues != NULL;
    for (unsigned i = 0; i < n_queues && ok; i++)
        ok = open_queue(p, port, interface, ring_bytes, pools[i], why);
    if (ok)
        return p;
    int error = errno;
    packet_port_close(p);
    errno = error;
    return NULL;
}

bool packet_port_start(struct packet_port *p, const char **why)
{
    return packet_rings_start(p->rings, p->n, why);
}

bool packet_port_promiscuous(struct packet_port *p)
{
    return packet_ring_promiscuous(&p->rings[0]);
}

static uint64_t missed(struct packet_port *p, bool at_end)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->n; i++)
        sum += at_end ? p->rings[i].seen - p->rings[i].taken : p->rings[i].dropped;
    return sum;
}

static void ask(struct packet_port *p)
{
    for (unsigned i = 0; i < p->n; i++)
        packet_ring_ask(&p->rings[i]);
}

uint64_t packet_port_missed(struct packet_port *p)
{
    if (atomic_load(&p->ended))
        return missed(p, true);
    ask(p);
    return missed(p, false);
}

/* A busy machine's timer hands a block over much later than it should. */
void packet_port_settle(struct packet_port *p)
{
    packet_rings_shut(p->rings, p->n);
    for (unsigned ms = 0; ms < SETTLE_MS; ms++) {
        usleep(1000);
        unsigned i = 0;
        while (i < p->n && packet_ring_empty(&p->rings[i]))
            i++;
        if (i == p->n)
            return;
    }
}

void packet_port_end(struct packet_port *p)
{
    ask(p);
    atomic_store(&p->ended, true);
}

void packet_port_close(struct packet_port *p)
{
    for (unsigned i = 0; i < p->n; i++)
        packet_ring_close(&p->rings[i]);
    free(p->queues);
    free(p);
}

int packet_port_descriptor(const struct packet_port *p, unsigned queue)
{
    return p->rings[queue].fd;
}

uint64_t *packet_port_arrivals(struct packet_port *p, unsigned queue)
{
    return p->queues[queue].arrivals;
}
