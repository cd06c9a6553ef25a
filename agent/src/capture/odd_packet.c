/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that cannot simply be copied: several segments, or a VLAN tag that the NIC took off. */
#include "odd_packet.h"

#include <string.h>

#define VLAN_TAG_BYTES 4u
#define VLAN_OFFSET 12u

uint32_t odd_packet_length(const struct rte_mbuf *m)
{
    return m->pkt_len + ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? VLAN_TAG_BYTES : 0);
}

struct sink {
    uint8_t *to;
    uint32_t room;
};

static void put(struct sink *s, const void *from, uint32_t n)
{
    if (n > s->room)
        n = s->room;
    memcpy(s->to, from, n);
    s->to += n;
    s->room -= n;
}

void copy_odd_packet(const struct rte_mbuf *m, uint8_t *to, uint32_t captured)
{
    struct sink sink = {.to = to, .room = captured};
    uint32_t tag_at = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? VLAN_OFFSET : UINT32_MAX;
    const uint8_t tag[VLAN_TAG_BYTES] = {0x81, 0x00, (uint8_t)(m->vlan_tci >> 8), (uint8_t)m->vlan_tci};
    uint32_t done = 0;
    for (const struct rte_mbuf *seg = m; seg != NULL && sink.room > 0; seg = seg->next) {
        const uint8_t *data = rte_pktmbuf_mtod(seg, const uint8_t *);
        uint32_t n = seg->data_len;
        if (done <= tag_at && tag_at < done + n) {
            uint32_t before = tag_at - done;
            put(&sink, data, before);
            put(&sink, tag, sizeof(tag));
            put(&sink, data + before, n - before);
        } else {
            put(&sink, data, n);
        }
        done += n;
    }
}
