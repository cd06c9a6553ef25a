/* SPDX-License-Identifier: Apache-2.0 */
#include "link_gaps.h"

#include <stddef.h>

/* Whoever noted the begin may have looked at the clock a moment after the one who asks. */
static uint64_t length_ns(uint64_t since_ns, uint64_t now_ns)
{
    return since_ns != 0 && now_ns > since_ns ? now_ns - since_ns : 0;
}

void link_gaps_begin(struct link_gaps *g, unsigned port, uint64_t now_ns)
{
    pthread_mutex_lock(&g->lock);
    if (g->since_ns[port] == 0)
        g->since_ns[port] = now_ns;
    pthread_mutex_unlock(&g->lock);
}

uint64_t link_gaps_end(struct link_gaps *g, unsigned port, uint64_t now_ns)
{
    pthread_mutex_lock(&g->lock);
    uint64_t gap = length_ns(g->since_ns[port], now_ns);
    g->since_ns[port] = 0;
    g->closed_ns += gap;
    pthread_mutex_unlock(&g->lock);
    return gap;
}

uint64_t link_gaps_total(struct link_gaps *g, uint64_t now_ns, unsigned *n_open)
{
    unsigned open = 0;
    pthread_mutex_lock(&g->lock);
    uint64_t total = g->closed_ns;
    for (unsigned i = 0; i < LINK_GAPS_PORTS; i++) {
        open += g->since_ns[i] != 0;
        total += length_ns(g->since_ns[i], now_ns);
    }
    pthread_mutex_unlock(&g->lock);
    if (n_open != NULL)
        *n_open = open;
    return total;
}
