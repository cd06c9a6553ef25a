/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_ODD_PACKET_H
#define NFVCAP_ODD_PACKET_H

#include <stdint.h>

#include <rte_mbuf.h>

/* The length on the wire, a tag that was taken off included. */
uint32_t odd_packet_length(const struct rte_mbuf *m);

/* Copy its first `captured` bytes, the tag back in its place. */
void copy_odd_packet(const struct rte_mbuf *m, uint8_t *to, uint32_t captured);

#endif
