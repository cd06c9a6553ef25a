/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PORT_STAMPS_H
#define NFVCAP_PORT_STAMPS_H

#include <stdbool.h>
#include <stdint.h>

/* What was asked for, and then where the time of a packet really comes from. */
enum stamp_source {
    STAMPS_TSC,    /* the processor's counter, read after each burst */
    STAMPS_NIC,    /* the NIC's clock, when the packet arrived there */
    STAMPS_FILE,   /* the capture file that net_pcap reads: times of day, to the microsecond */
    STAMPS_KERNEL, /* not to be asked for: af_packet ports have them */
    STAMPS_AUTO,   /* only to be asked for: the NIC's where it has some, else the counter's */
};

extern const char *const stamp_source_names[]; /* up to STAMPS_KERNEL */

/* Where a driver leaves the time of a packet in its mbuf, and how the clock that it is of can be read. */
struct port_stamps {
    enum stamp_source source;
    int offset;    /* of a rte_mbuf_timestamp_t, in the mbuf */
    uint64_t flag; /* in ol_flags: there is one */
    bool timesync; /* the clock is that of rte_eth_timesync_read_time, not of rte_eth_read_clock */
};

/* What there is to know of a port before its times are chosen. */
struct stamp_offer {
    uint16_t port;
    bool offloads; /* the driver offers RTE_ETH_RX_OFFLOAD_TIMESTAMP */
    bool kernel;   /* it is one of packet_port.h */
    bool file;     /* net_pcap on a file that it reads once */
};

/* False when the port does not have what is wished for: *why, *fix tell. The device is known and not started. */
bool port_stamps_choose(struct port_stamps *out, const struct stamp_offer *offer, enum stamp_source wish,
                        const char **why, const char **fix);

/* After each start of the device. 0, or the negative error of the driver. */
int port_stamps_start(const struct port_stamps *stamps, uint16_t port);

/* STAMPS_NIC: the clock as it stands. False when the driver does not answer. */
bool port_stamps_read_clock(const struct port_stamps *stamps, uint16_t port, uint64_t *ticks);

#endif
