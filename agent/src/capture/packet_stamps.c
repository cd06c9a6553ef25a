/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_stamps.h"

#include "inline.h"

#define SECOND_NS 1000000000ull
#define FILE_TICK_NS 1000u            /* net_pcap gives microseconds */
#define FIRST_AGE_NS (60 * SECOND_NS) /* nothing waited longer for the first burst */

/* The driver's own number. */
static uint64_t raw_ticks(const struct packet_stamps *s, const struct rte_mbuf *m)
{
    uint64_t ticks;
    memcpy(&ticks, (const uint8_t *)m + s->from.offset, sizeof(ticks));
    return ticks;
}

static uint64_t nic_time(const struct packet_stamps *s, const struct rte_mbuf *m, const struct packet_moment *now,
                         uint64_t last)
{
    uint64_t stamp = clock_line_ns(&s->line, raw_ticks(s, m)) + (uint64_t)now->step_ns;
    uint64_t earliest = last != 0 ? last - SECOND_NS : now->now_ns - FIRST_AGE_NS;
    return stamp < earliest || stamp > now->now_ns + SECOND_NS ? 0 : stamp;
}

/* The packets' own times; the number of those that have none. */
static unsigned read_times(struct packet_stamps *s, struct rte_mbuf *const *packets, unsigned n,
                           const struct packet_moment *now, uint64_t last)
{
    unsigned without = 0;
    for (unsigned i = 0; i < n; i++) {
        s->stamps[i] = 0;
        if ((packets[i]->ol_flags & s->from.flag) != 0)
            s->stamps[i] = s->from.source == STAMPS_FILE ? raw_ticks(s, packets[i]) * FILE_TICK_NS
                                                         : nic_time(s, packets[i], now, last);
        without += s->stamps[i] == 0;
    }
    return without;
}

static void make_up(struct packet_stamps *s, unsigned n, uint64_t now_ns)
{
    uint64_t first = now_ns;
    for (unsigned i = n; i-- > 0;) {
        if (s->stamps[i] != 0)
            first = s->stamps[i];
    }
    for (unsigned i = 0; i < n; i++) {
        if (s->stamps[i] == 0)
            s->stamps[i] = i > 0 ? s->stamps[i - 1] : first;
    }
}

static uint64_t put_in_order(struct packet_stamps *s, unsigned n, uint64_t now_ns, uint64_t last)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t stamp = s->stamps[i] < now_ns ? s->stamps[i] : now_ns;
        last = s->stamps[i] = stamp > last ? stamp : last;
    }
    return last;
}

unsigned packet_stamps_take(struct packet_stamps *s, struct rte_mbuf *const *packets, unsigned n,
                            const struct packet_moment *now, uint64_t *last)
{
    if (s->clock != NULL)
        clock_follow(s->clock, &s->generation, &s->line);
    unsigned without = read_times(s, packets, n, now, *last);
    if (unlikely_(without > 0))
        make_up(s, n, now->now_ns);
    *last = s->from.source == STAMPS_FILE ? s->stamps[n - 1] : put_in_order(s, n, now->now_ns, *last);
    return without;
}
