/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PORT_H
#define NFVCAP_PORT_H

#include "packet_port.h"
#include "port_spec.h"
#include "port_stamps.h"

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#define PORT_MAX_QUEUES 64

enum trilean { NO, YES, UNKNOWN };

struct port_config {
    uint16_t n_queues;
    uint16_t n_rx_desc;   /* wished for; the driver's limits win */
    uint16_t n_tx_desc;   /* 0: no wish */
    uint32_t mtu;         /* 0: leave the device's own */
    uint32_t extra_mbufs; /* per queue, for packets that are in nobody's ring */
    bool promiscuous;
    enum stamp_source stamps; /* wished for */
};

/* What the NIC counted since port_open; losses that happen before this program sees the packet. */
struct port_counters {
    uint64_t nic_missed;  /* no free descriptor: the ring was full */
    uint64_t nic_errors;  /* damaged frames */
    uint64_t nic_no_mbuf; /* the mbuf pool was empty */
    bool missed_known;    /* false: this driver cannot tell (igbvf, ixgbevf, virtio, …) */
};

struct port {
    struct port_spec spec;
    struct port_config config;
    uint16_t id;
    char driver[32];
    int socket;
    uint16_t n_rx_desc;
    uint32_t max_frame_bytes;
    uint64_t rx_offloads;
    uint32_t link_mbps;    /* 0: unknown */
    uint32_t fastest_mbps; /* that the driver can do; 0: it does not say */
    struct rte_mempool *pools[PORT_MAX_QUEUES];
    enum trilean promiscuous; /* read back */
    enum trilean allmulticast;
    enum trilean symmetric_rss;
    bool link_up;
    uint64_t link_changes;
    struct port_counters baseline; /* of the driver when it was started last */
    struct port_counters kept;     /* from before that */
    struct port_stamps stamps;     /* where the times of its packets come from */
    struct packet_port *packets;   /* af_packet: where its packets come from; else NULL */
    bool started;
    uint64_t restarted_tsc; /* nothing that came since the last restart is older than this */
};

/* Bytes of EAL memory that a port of this configuration needs. */
uint64_t port_memory_bytes(const struct port_spec *spec, const struct port_config *config);

/* Configure the device that spec names; dies with the reason. The EAL has been started. */
void port_open(struct port *port, const struct port_spec *spec, const struct port_config *config);

/* A part of it: the device runs and has the address of the spec. 0, or -errno, *what failed and the *fix. */
int port_start_device(const struct port *port, const char **what, const char **fix);

void port_start(struct port *port);                                 /* dies on failure */
bool port_restart(struct port *port, bool reset, const char **why); /* stop, [reset,] start; workers are paused */
void port_close(struct port *port);

/* Before its last poll: where the kernel holds packets back, let it take no more, and wait until all are received. */
void port_settle(const struct port *port);

/* After its last poll: what it still holds is counted as missed. */
void port_end(struct port *port);

/* Readable when the queue has something to receive; -1 where only polling tells. */
int port_descriptor(const struct port *port, unsigned queue);

/* When the packets of the last burst came, ns of CLOCK_REALTIME; NULL where the port cannot tell. */
uint64_t *port_arrivals(const struct port *port, unsigned queue);

/* STAMPS_NIC: the NIC's clock as it stands; a nic_clock_reader, whose arg is the port. */
bool port_read_clock(void *port, uint64_t *ticks);

/* Before a restart, across which drivers may begin to count anew: what was counted so far is kept. */
void port_keep_counters(struct port *port);

void port_read_counters(struct port *port, struct port_counters *out);

/* The fastest of the speeds that a driver says it can do (RTE_ETH_LINK_SPEED_…); 0: it does not say. */
uint32_t port_fastest_mbps(uint32_t capabilities);

/* True when the link changed since the last call; port->link_up is then the new state. */
bool port_poll_link(struct port *port);

/* Wait until the link is up; false after timeout_ms. */
bool port_wait_link(struct port *port, unsigned timeout_ms);

#endif
