/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that go away for a while, or for good, while the capture goes on.
 *
 * A virtual function is reset when its host resets the physical one. The driver says so; the port then has to be
 * stopped, reset and configured anew, again and again until the host is done. Files and counters go on, the time from
 * the driver's word to the new start is logged and added up. A device that is taken away ends the capture with whole
 * files: its host waits until we let go of it.
 */
#include "session.h"

#include "../error.h"

#include <string.h>
#include <time.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void restart_want(struct session *s, unsigned port, bool reset)
{
    uint64_t never = 0, now = monotonic_ns();
    if (atomic_compare_exchange_strong(&s->away_since[port], &never, now))
        link_gaps_begin(&s->gaps, port, now);
    if (reset)
        atomic_fetch_or(&s->reset_wanted, 1u << port);
    atomic_fetch_or(&s->restart_wanted, 1u << port);
}

/* On DPDK's interrupt thread: only leave a note. */
static int on_event(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *ret)
{
    struct session *s = arg;
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if (s->ports[i].id != port_id)
            continue;
        if (type == RTE_ETH_EVENT_INTR_RMV)
            atomic_store(&s->removed, (int)i + 1);
        else
            restart_want(s, i, true);
    }
    return 0;
}

/* The same for what the bus says: a host that takes a function back from its guest is only heard this way. */
static void on_device_event(const char *device, enum rte_dev_event_type type, void *arg)
{
    struct session *s = arg;
    for (unsigned i = 0; i < s->options.n_ports && type == RTE_DEV_EVENT_REMOVE; i++) {
        if (device != NULL && strcmp(device, s->ports[i].spec.device) == 0)
            atomic_store(&s->removed, (int)i + 1);
    }
}

void restart_watch(struct session *s)
{
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        rte_eth_dev_callback_register(s->ports[i].id, RTE_ETH_EVENT_INTR_RESET, on_event, s);
        rte_eth_dev_callback_register(s->ports[i].id, RTE_ETH_EVENT_INTR_RMV, on_event, s);
        if (s->ports[i].spec.is_pci)
            rte_dev_event_callback_register(s->ports[i].spec.device, on_device_event, s);
    }
}

const char *restart_removed(struct session *s)
{
    int port = atomic_load(&s->removed);
    return port != 0 ? s->ports[port - 1].spec.text : NULL;
}

uint64_t session_link_gap_ns(struct session *s, unsigned *n_open)
{
    uint64_t stopped = atomic_load(&s->stopped_ns);
    return link_gaps_total(&s->gaps, stopped != 0 ? stopped : monotonic_ns(), n_open);
}

/* Nobody polls a port that is not started. */
static void park(struct session *s, unsigned port, bool parked)
{
    const struct port *p = &s->ports[port];
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!worker_polls(s->workers[i], p->id))
            continue;
        if (parked)
            worker_park(s->workers[i], p->id);
        else
            worker_unpark(s->workers[i], p->id, p->restarted_tsc);
    }
    s->parked = parked ? s->parked | 1u << port : s->parked & ~(1u << port);
}

/* A driver may take a second to reset its port. Whoever has no queue of it touches nothing of it, and goes on. */
static void pause_pollers(struct session *s, unsigned port, bool paused)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!worker_polls(s->workers[i], s->ports[port].id))
            continue;
        if (paused)
            worker_pause(s->workers[i]);
        else
            worker_resume(s->workers[i]);
    }
}

static void restart(struct session *s, unsigned i, bool reset)
{
    struct port *p = &s->ports[i];
    const char *why = NULL;
    port_keep_counters(p);
    if (!port_restart(p, reset, &why)) {
        /* Try again at the next look: the host may not be done yet. One message is enough. */
        if ((s->parked >> i & 1) == 0)
            warn(text("%s: cannot be started again yet", p->spec.text), why, "it is tried again ten times a second");
        park(s, i, true);
        restart_want(s, i, reset);
        return;
    }
    park(s, i, false);
    uint64_t now = monotonic_ns(), gap = now - atomic_exchange(&s->away_since[i], 0);
    s->port_restarts++;
    /* One that had no link before is still without: its gap ends when the link comes. */
    if (p->link_up)
        link_gaps_end(&s->gaps, i, now);
    note("%s: %s and started again, %llu us without it", p->spec.text, reset ? "reset" : "stopped",
         (unsigned long long)(gap / 1000));
}

void restart_if_wanted(struct session *s)
{
    uint32_t wanted = atomic_exchange(&s->restart_wanted, 0);
    if (wanted == 0)
        return;
    uint32_t reset = atomic_exchange(&s->reset_wanted, 0);
    for (unsigned i = 0; i < s->options.n_ports; i++) {
        if ((wanted >> i & 1) == 0)
            continue;
        pause_pollers(s, i, true);
        restart(s, i, (reset >> i & 1) != 0);
        pause_pollers(s, i, false);
    }
}
