/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A packet has to fit into a block, and packets of 64 KiB come from interfaces that join segments. Blocks that are
 * handed over because of their age are used up however little is in them: a reader that stands still for the number of
 * blocks times PACKET_RING_RETIRE_MS (5 s by default) makes the kernel drop packets even of a quiet line. So they are
 * no larger than that. Four are the least with which the kernel fills one while another is read.
 */
#define BLOCK_BYTES (1u << 18)
#define BLOCKS_MIN 4u

static bool set(const struct packet_ring *r, int option, const void *value, socklen_t length)
{
    return setsockopt(r->fd, SOL_PACKET, option, value, length) == 0;
}

static bool make_ring(struct packet_ring *r, uint64_t bytes)
{
    const int version = TPACKET_V3;
    struct tpacket_req3 request = {
        .tp_block_size = BLOCK_BYTES,
        .tp_block_nr = bytes / BLOCK_BYTES < BLOCKS_MIN ? BLOCKS_MIN : (unsigned)(bytes / BLOCK_BYTES),
        .tp_frame_size = 2048, /* has to be given, means nothing: packets take what they need */
        .tp_retire_blk_tov = PACKET_RING_RETIRE_MS,
    };

    request.tp_frame_nr = request.tp_block_nr * (BLOCK_BYTES / request.tp_frame_size);
    if (!set(r, PACKET_VERSION, &version, sizeof(version)) || !set(r, PACKET_RX_RING, &request, sizeof(request)))
        return false;
    r->n_blocks = request.tp_block_nr;
    r->bytes = (uint64_t)r->n_blocks * BLOCK_BYTES;
    r->memory = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    return r->memory != MAP_FAILED;
}

bool packet_ring_open(struct packet_ring *r, const char *interface, uint64_t bytes, const char **why)
{
    memset(r, 0, sizeof(*r));
    r->interface = if_nametoindex(interface);
    if (r->interface == 0) {
        *why = "there is no such interface";
        return false;
    }
    /* Of protocol 0: nothing is received yet. */
    r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (r->fd < 0) {
        *why = "a packet socket cannot be had";
        return false;
    }
    if (make_ring(r, bytes))
        return true;
    *why = "no memory shared with the kernel";
    int error = errno;
    close(r->fd);
    errno = error;
    return false;
}

static bool join(struct packet_ring *rings, unsigned n)
{
    /* The kernel finds a number for the group that nobody has, and tells it. */
    int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    socklen_t length = sizeof(group);

    if (!set(&rings[0], PACKET_FANOUT, &group, sizeof(group)) ||
        getsockopt(rings[0].fd, SOL_PACKET, PACKET_FANOUT, &group, &length) != 0)
        return false;
    group = (group & 0xffff) | (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_ROLLOVER) << 16;
    for (unsigned i = 1; i < n; i++)
        if (!set(&rings[i], PACKET_FANOUT, &group, sizeof(group)))
            return false;
    return true;
}

/* The kernel counts nothing that a filter has refused. */
static bool let_nothing_in(const struct packet_ring *r)
{
    struct sock_filter no = {.code = BPF_RET | BPF_K};
    const struct sock_fprog nothing = {.len = 1, .filter = &no};

    return setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &nothing, sizeof(nothing)) == 0;
}

bool packet_rings_start(struct packet_ring *rings, unsigned n, const char **why)
{
    /* A ring gets everything until it is in the group: let nothing in before all are. */
    int ignored = 0;

    *why = "it cannot be bound to the interface";
    for (unsigned i = 0; i < n; i++) {
        struct sockaddr_ll address = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)rings[i].interface};

        if (!let_nothing_in(&rings[i]) || bind(rings[i].fd, (struct sockaddr *)&address, sizeof(address)) != 0)
            return false;
    }
    if (n > 1 && !join(rings, n)) {
        *why = "the queues cannot share the interface's packets";
        return false;
    }
    for (unsigned i = 0; i < n; i++)
        if (setsockopt(rings[i].fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof(ignored)) != 0)
            return false;
    return true;
}

void packet_rings_shut(struct packet_ring *rings, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        let_nothing_in(&rings[i]); /* if it fails, the last moment's packets are counted as missed */
}

bool packet_ring_promiscuous(struct packet_ring *r)
{
    const struct packet_mreq all = {.mr_ifindex = (int)r->interface, .mr_type = PACKET_MR_PROMISC};

    return set(r, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
}

void packet_ring_close(struct packet_ring *r)
{
    munmap(r->memory, r->bytes);
    close(r->fd);
}

static struct tpacket_hdr_v1 *head_of(const struct packet_ring *r)
{
    struct tpacket_block_desc *block = (void *)(r->memory + (uint64_t)r->block * BLOCK_BYTES);

    return &block->hdr.bh1;
}

static void give_back(struct packet_ring *r)
{
    __atomic_store_n(&head_of(r)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    r->block = r->block + 1 == r->n_blocks ? 0 : r->block + 1;
    r->next = NULL;
}

unsigned packet_ring_ready(struct packet_ring *r)
{
    if (r->left != 0)
        return r->left;
    if (r->next != NULL)
        give_back(r);
    const struct tpacket_hdr_v1 *head = head_of(r);
    if ((__atomic_load_n(&head->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0)
        return 0;
    r->next =
        (const void *)((const uint8_t *)head - offsetof(struct tpacket_block_desc, hdr) + head->offset_to_first_pkt);
    r->left = head->num_pkts;
    if (r->left == 0) /* a block that is closed by its age has a packet; so it is said, and it costs nothing to look */
        give_back(r);
    return r->left;
}

struct packet_view packet_ring_look(const struct packet_ring *r)
{
    const struct tpacket3_hdr *p = r->next;
    struct packet_view v = {
        .data = (const uint8_t *)p + p->tp_mac,
        .captured = p->tp_snaplen,
        .length = p->tp_len,
        .ns = (uint64_t)p->tp_sec * 1000000000 + p->tp_nsec,
        .tagged = (p->tp_status & TP_STATUS_VLAN_VALID) != 0,
    };

    if (v.tagged) {
        uint16_t type = (p->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? p->hv1.tp_vlan_tpid : ETH_P_8021Q;
        uint16_t tag[2] = {htons(type), htons((uint16_t)p->hv1.tp_vlan_tci)};

        memcpy(v.tag, tag, sizeof(tag));
    }
    return v;
}

void packet_ring_pass(struct packet_ring *r)
{
    r->next = (const void *)((const uint8_t *)r->next + r->next->tp_next_offset);
    __builtin_prefetch((const uint8_t *)r->next + r->next->tp_next_offset);
    r->left--;
    atomic_store_explicit(&r->taken, atomic_load_explicit(&r->taken, memory_order_relaxed) + 1, memory_order_relaxed);
}

bool packet_ring_empty(struct packet_ring *r)
{
    packet_ring_ask(r);
    return r->seen - r->dropped == r->taken;
}

void packet_ring_ask(struct packet_ring *r)
{
    struct tpacket_stats_v3 stats;
    socklen_t length = sizeof(stats);

    if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0)
        return;
    atomic_fetch_add(&r->seen, stats.tp_packets);
    atomic_fetch_add(&r->dropped, stats.tp_drops);
}
