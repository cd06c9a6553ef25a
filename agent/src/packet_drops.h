/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PACKET_DROPS_H
#define NFVCAP_PACKET_DROPS_H

#include <stdatomic.h>
#include <stdint.h>

#define PACKET_SOCKETS_MAX 64

/*
 * What the kernel dropped because an AF_PACKET ring was full. DPDK's af_packet driver of 22.11 does not ask; its
 * sockets are found among this process's descriptors. Asking sets the kernel's number to zero, so a driver that does
 * ask and this file never count a packet twice.
 */
struct packet_drops {
    int sockets[PACKET_SOCKETS_MAX];
    unsigned n_sockets;
    _Atomic uint64_t total;
};

void packet_drops_find(struct packet_drops *d, const char *interface);

/* Dropped since the sockets were opened; any thread may ask. */
uint64_t packet_drops_read(struct packet_drops *d);

#endif
