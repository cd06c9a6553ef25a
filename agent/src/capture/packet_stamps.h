/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PACKET_STAMPS_H
#define NFVCAP_PACKET_STAMPS_H

#include "../port_stamps.h"
#include "clock.h"

#include <rte_mbuf.h>

/* The times that a driver left in the packets of one queue, turned into stamps. */
struct packet_stamps {
    uint64_t stamps[64]; /* of the last burst; what cannot be believed is 0 until it is made up for */
    struct port_stamps from;
    const struct clock *clock; /* STAMPS_NIC: its line, and this queue's copy of it */
    uint32_t generation;
    struct clock_line line;
};

/* The present burst: when it was received, in the time of the file, and what that adds to the capture's own. */
struct packet_moment {
    uint64_t now_ns;
    int64_t step_ns;
};

/*
 * Fill in the stamps of a burst of n > 0; returns how many packets had no time of their own that can be believed. Those
 * have the time of the packet before them, or behind them, or else of their receipt.
 *
 * STAMPS_NIC: stamps do not go back behind *last, the stamp before, nor ahead of now. Further than a second off either,
 * a time is not believed. STAMPS_FILE: the times are as the file has them, in whatever order. *last becomes the last
 * one.
 */
unsigned packet_stamps_take(struct packet_stamps *s, struct rte_mbuf *const *packets, unsigned n,
                            const struct packet_moment *moment, uint64_t *last);

#endif
