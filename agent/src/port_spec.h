/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_PORT_SPEC_H
#define NFVCAP_PORT_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_SPEC_MAX 512

/*
 * What a user may write after --port, turned into what the EAL wants:
 *   0000:81:10.0[,key=value]      a PCI device (the domain may be left out); of the keys, these are ours:
 *     ,vf-token=UUID              of a PF that vfio-pci has and of its VFs: both programs give the same
 *     ,mac=02:00:00:00:00:01      the address that it gets
 *   vdev:net_null0,size=64        any DPDK virtual device
 *   af_packet:eth1[,ring=SIZE]    an interface through AF_PACKET; to receive, with a ring of that size per queue
 *   af_xdp:eth1                   an interface through AF_XDP
 *   pcap:eth1                     an interface through libpcap
 *   pcap:/path/file.pcap          a file, read once (…,infinite_rx=1 for ever)
 */
struct port_spec {
    char text[PORT_SPEC_MAX];    /* as the user wrote it */
    char devargs[PORT_SPEC_MAX]; /* for -a or --vdev */
    char device[64];             /* the name that the EAL gives the device */
    char interface[16];          /* of the kernel's, that af_packet, af_xdp or pcap read; else "" */
    char vf_token[37];           /* "" for none */
    uint8_t mac[6];              /* of its own when all are 0 */
    bool is_pci;
    bool is_capture_file;       /* net_pcap, of a file that it reads once */
    uint64_t packet_ring_bytes; /* not 0: packets come from packet_port.h and not from the device; of each queue */
    uint32_t null_size_bytes;   /* net_null: the frame size it will claim, else 0 */
};

/* What the port is for: af_packet is a device of ours to receive from, and DPDK's to send to. */
enum port_use { PORT_RECEIVES, PORT_SENDS };

/*
 * Parse text for the index-th port with n_queues queues. On failure false, and *why tells the user what is wrong
 * (a static or leaked string).
 */
bool port_spec_parse(const char *text, enum port_use use, unsigned index, unsigned n_queues, struct port_spec *out,
                     const char **why);

#endif
