/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual function is reset when its host resets the physical one. The driver says so; the port then has to be stopped, reset and
 * configured anew. The files and counters go on, and the gap is logged.
 */
#include "session.h"

#include "../error.h"

#include <time.h>

#include <rte_ethdev.h>

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* On DPDK's interrupt thread: only leave a note. */
static int on_reset(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *ret)
{
    struct session *s = arg;
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if (s->ports[i].id == port_id) {
            atomic_fetch_or(&s->reset_wanted, 1u << i);
            atomic_fetch_or(&s->restart_wanted, 1u << i);
        }
    }
    return 0;
}

void restart_watch(struct session *s)
{
    for (unsigned i = 0; i < s->options.n_ports; i++)
        rte_eth_dev_callback_register(s->ports[i].id, RTE_ETH_EVENT_INTR_RESET, on_reset, s);
}

static void restart(struct session *s, unsigned i, bool reset)
{
    struct port *p = &s->ports[i];
    const char *why = NULL;
    uint64_t start = monotonic_ns();
    port_keep_counters(p);
    if (!port_restart(p, reset, &why)) {
        /* Try again at the next look: the host may not be done yet. */
        atomic_fetch_or(&s->restart_wanted, 1u << i);
        if (reset)
            atomic_fetch_or(&s->reset_wanted, 1u << i);
        warn(text("%s: cannot be started again yet", p->spec.text), why, NULL);
        return;
    }
    s->port_restarts++;
    uint64_t gap = monotonic_ns() - start;
    s->link_gap_ns += gap;
    note("%s: %s and started again, %llu us without it", p->spec.text, reset ? "reset" : "stopped",
         (unsigned long long)(gap / 1000));
}

void restart_if_wanted(struct session *s)
{
    uint32_t wanted = atomic_exchange(&s->restart_wanted, 0);
    if (wanted == 0)
        return;
    uint32_t reset = atomic_exchange(&s->reset_wanted, 0);
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_pause(s->workers[i]);
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if ((wanted >> i & 1) != 0)
            restart(s, i, (reset >> i & 1) != 0);
    }
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_resume(s->workers[i]);
}
