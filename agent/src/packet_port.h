/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PACKET_PORT_H
#define NFVCAP_PACKET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#define PACKET_PORT_DRIVER "af_packet" /* what reports call it */

/*
 * A port whose packets come from packet_ring.h instead of a driver of DPDK: its device is a net_null that receives
 * nothing, and a callback of each of its receive queues fills the bursts. Whoever polls the port notices no difference.
 *
 * DPDK's own af_packet driver has a slot of one size for every packet: its ring holds a tenth as many small ones,
 * longer ones than the slot lose their end, and none has the kernel's time of arrival.
 */
struct packet_port;

/* The device has been configured; rings of ring_bytes each. NULL with *why and errno. */
struct packet_port *packet_port_open(uint16_t port, const char *interface, unsigned n_queues, uint64_t ring_bytes,
                                     struct rte_mempool *const *pools, const char **why);

/* False with *why and errno. Before, nothing is received. */
bool packet_port_start(struct packet_port *p, const char **why);

bool packet_port_promiscuous(struct packet_port *p);

/* Before its last poll: nothing comes in any longer, and what has come is polled by others meanwhile; at most 1 s. */
void packet_port_settle(struct packet_port *p);

/*
 * What the kernel dropped because a ring was full. After packet_port_end(), with what still lay in the rings then and
 * nobody will take; nothing is counted that comes later.
 */
uint64_t packet_port_missed(struct packet_port *p);

/* Nobody polls any longer. */
void packet_port_end(struct packet_port *p);

void packet_port_close(struct packet_port *p);

/* Becomes readable when a queue has something to receive; there is no use in polling it before. */
int packet_port_descriptor(const struct packet_port *p, unsigned queue);

/* When the packets of the last burst of a queue came, ns of CLOCK_REALTIME. */
uint64_t *packet_port_arrivals(struct packet_port *p, unsigned queue);

#endif
