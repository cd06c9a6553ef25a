/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PACKET_RING_H
#define NFVCAP_PACKET_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PACKET_RING_BYTES ((uint64_t)64 << 20) /* by default */
#define PACKET_RING_RETIRE_MS 20u              /* a packet is seen after that time at the latest */

struct tpacket3_hdr;

/*
 * What the kernel receives (and sends) on one of its interfaces, through an AF_PACKET socket and memory shared with it
 * (TPACKET_V3). The kernel packs packets of any length densely into blocks and hands over whole blocks, each when it is
 * full or PACKET_RING_RETIRE_MS old. Each packet has its length on the wire and the kernel's time of arrival.
 * One thread takes packets; any thread may read the counters.
 */
struct packet_ring {
    int fd;
    unsigned interface; /* its index */
    uint8_t *memory;
    uint64_t bytes;
    unsigned block, n_blocks;
    const struct tpacket3_hdr *next; /* NULL: the block is not ours yet */
    unsigned left;                   /* packets from `next` on to the end of the block */
    _Atomic uint64_t taken;
    _Atomic uint64_t seen, dropped; /* by the kernel, `dropped` of the `seen` because the ring was full */
};

/* A packet in the ring. */
struct packet_view {
    const uint8_t *data;
    uint32_t captured, length; /* without the tag */
    uint64_t ns;               /* CLOCK_REALTIME */
    bool tagged;               /* the kernel took a VLAN tag off */
    uint8_t tag[4];            /* which then belongs behind the two addresses */
};

/* Nothing is received before packet_ring_start(). False with *why: what failed, and errno. */
bool packet_ring_open(struct packet_ring *r, const char *interface, uint64_t bytes, const char **why);

/*
 * Begin to receive, with n rings of the same interface that share its packets: all of a flow to the same ring. No
 * packet that comes before or meanwhile is in any of them.
 */
bool packet_rings_start(struct packet_ring *rings, unsigned n, const char **why);

/* Let nothing in any longer; what is in the rings can still be taken. */
void packet_rings_shut(struct packet_ring *rings, unsigned n);

/* Ask the interface for the packets of others, too, for as long as the ring is open. False with errno. */
bool packet_ring_promiscuous(struct packet_ring *r);

void packet_ring_close(struct packet_ring *r);

/* How many packets can be looked at now, in the present block. What was looked at before is given back at its end. */
unsigned packet_ring_ready(struct packet_ring *r);

/* The first of them, and on to the one behind it; only while there are some. */
struct packet_view packet_ring_look(const struct packet_ring *r);
void packet_ring_pass(struct packet_ring *r);

/* Has everything been taken that ever came in? A packet is in, but cannot be taken, until its block is handed over. */
bool packet_ring_empty(struct packet_ring *r);

/* Ask the kernel, which forgets it then: brings `seen` and `dropped` up to date. */
void packet_ring_ask(struct packet_ring *r);

#endif
