/* SPDX-License-Identifier: Apache-2.0 */
#include "port_stamps.h"

#include <errno.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

const char *const stamp_source_names[] = {
    [STAMPS_TSC] = "tsc",
    [STAMPS_NIC] = "nic",
    [STAMPS_FILE] = "file",
    [STAMPS_KERNEL] = "kernel",
};

/*
 * Drivers have one of two ways to tell the clock that their stamps are of, or none (iavf). Those with a clock for PTP
 * (ice, igc) tell it as that; what some of them call rte_eth_read_clock() is the system's. Else it is that one (mlx5).
 */
static bool find_clock(struct port_stamps *s, uint16_t port)
{
    uint64_t ticks;
    struct timespec t;
    s->timesync = rte_eth_timesync_read_time(port, &t) != -ENOTSUP;
    return s->timesync || rte_eth_read_clock(port, &ticks) != -ENOTSUP;
}

static bool choose_nic(struct port_stamps *s, const struct stamp_offer *offer, const char **why, const char **fix)
{
    *fix = "leave --timestamps out, or give auto";
    if (offer->kernel) {
        *why = "af_packet ports have the kernel's stamps, whatever is asked for";
        return false;
    }
    if (!offer->offloads) {
        *why = "its driver, or this NIC, does not stamp packets";
        return false;
    }
    if (!find_clock(s, offer->port)) {
        *why = "its driver stamps packets, but does not tell the clock that the stamps are of";
        return false;
    }
    s->source = STAMPS_NIC;
    return true;
}

static bool choose_file(struct port_stamps *s, const struct stamp_offer *offer, const char **why, const char **fix)
{
    if (!offer->file || offer->offloads) {
        *why = "it is not a capture file that is read once";
        *fix = "give pcap:/FILE as the port, or another --timestamps";
        return false;
    }
    s->source = STAMPS_FILE;
    return true;
}

bool port_stamps_choose(struct port_stamps *s, const struct stamp_offer *offer, enum stamp_source wish,
                        const char **why, const char **fix)
{
    *s = (struct port_stamps){.source = offer->kernel ? STAMPS_KERNEL : STAMPS_TSC};
    if (wish == STAMPS_TSC)
        return true;
    bool chosen = wish == STAMPS_FILE ? choose_file(s, offer, why, fix) : choose_nic(s, offer, why, fix);
    if (!chosen)
        return wish == STAMPS_AUTO;
    if (rte_mbuf_dyn_rx_timestamp_register(&s->offset, &s->flag) == 0)
        return true;
    *why = "DPDK has no room for a time in its packet buffers";
    *fix = "leave --timestamps out";
    return false;
}

int port_stamps_start(const struct port_stamps *s, uint16_t port)
{
    return s->source == STAMPS_NIC && s->timesync ? rte_eth_timesync_enable(port) : 0;
}

bool port_stamps_read_clock(const struct port_stamps *s, uint16_t port, uint64_t *ticks)
{
    struct timespec t;
    if (!s->timesync)
        return rte_eth_read_clock(port, ticks) == 0;
    if (rte_eth_timesync_read_time(port, &t) != 0)
        return false;
    *ticks = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    return true;
}
