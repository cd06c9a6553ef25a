/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_BUILD_H
#define NFVCAP_BUILD_H

#include "inline.h"
#include "odd_packet.h"
#include "record.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

/* How the capture loop builds one record in place. */

#define BILLION 1000000000ull

/* One store instruction, wherever the record begins: a kill comes before it or after it. */
typedef uint64_t seal_word __attribute__((aligned(1), may_alias));

typedef uint64_t block64 __attribute__((vector_size(64), aligned(1), may_alias));

/* n bytes; up to 64 bytes behind `to` + n may be overwritten, and 64 bytes are read from a short source. */
ALWAYS_INLINE void copy_packet(uint8_t *to, const uint8_t *from, uint32_t n)
{
    if (likely_(n <= 64)) {
        *(block64 *)to = *(const block64 *)from;
        return;
    }
    uint32_t i = 0;
    for (; i + 64 <= n; i += 64)
        *(block64 *)(to + i) = *(const block64 *)(from + i);
    if (i < n)
        *(block64 *)(to + n - 64) = *(const block64 *)(from + n - 64);
}

/* The time scale of one burst: start + (i + 1) * step, in nanoseconds with 32 binary places. */
struct scale {
    uint64_t seconds;  /* whole seconds; */
    uint64_t base_ns;  /* the same in nanoseconds (pcapng) */
    uint64_t fraction; /* and what comes on top: ns << 32 */
    uint64_t step;
};

/* The next stamp. A pcap record has seconds and a fraction of one, a pcapng block has one number. */
ALWAYS_INLINE void next_stamp(const enum record_format format, struct scale *t, const bool may_roll)
{
    t->fraction += t->step;
    if (may_roll && format != FORMAT_PCAPNG && unlikely_(t->fraction >= BILLION << 32)) {
        t->fraction -= BILLION << 32;
        t->seconds++;
    }
}

ALWAYS_INLINE uint8_t *data_place(const enum record_format format, uint8_t *record)
{
    return record + (format == FORMAT_PCAPNG ? PCAPNG_PACKET_HEADER_BYTES : PCAP_RECORD_HEADER_BYTES);
}

ALWAYS_INLINE uint8_t *seal_place(const enum record_format format, uint8_t *record)
{
    return format == FORMAT_PCAPNG ? record : record + 8;
}

/*
 * Write what surrounds the data of the record at `to`, which is already there, except for the word that makes it valid:
 * that one goes to *seal. Returns the length of the record.
 */
ALWAYS_INLINE uint32_t surround_data(const enum record_format format, const struct scale *t, uint32_t captured,
                                     uint32_t length, uint8_t *to, uint64_t *seal)
{
    if (format == FORMAT_PCAPNG) {
        uint64_t ns = t->base_ns + (t->fraction >> 32);
        uint32_t total = record_bytes(format, captured);
        uint64_t interface_and_high = ns >> 32 << 32; /* interface 0 */
        uint64_t low_and_captured = (uint64_t)captured << 32 | (uint32_t)ns;
        uint64_t padding_and_total = (uint64_t)total << (8 * (pad4(captured) - captured));
        *seal = (uint64_t)total << 32 | PCAPNG_ENHANCED_PACKET;
        memcpy(to + 8, &interface_and_high, 8);
        memcpy(to + 16, &low_and_captured, 8);
        memcpy(to + 24, &length, 4);
        memcpy(data_place(format, to) + captured, &padding_and_total, 8);
        return total;
    }
    uint64_t fraction = t->fraction >> 32;
    if (format == FORMAT_PCAP_US)
        fraction = fraction * 0x10624dd3ull >> 38; /* / 1000, exact below 2^31 */
    uint64_t time_words = fraction << 32 | (uint32_t)t->seconds;
    memcpy(to, &time_words, 8);
    *seal = (uint64_t)length << 32 | captured;
    return PCAP_RECORD_HEADER_BYTES + captured;
}

/* Write the record of m at `to`, except for its seal. Returns the length of the record. */
ALWAYS_INLINE uint32_t build_record(const enum record_format format, struct scale *t, struct rte_mbuf *m, bool odd,
                                    uint32_t length, uint32_t snaplen, uint8_t *to, uint64_t *seal)
{
    uint32_t captured = length < snaplen ? length : snaplen;
    next_stamp(format, t, true);
    if (unlikely_(odd))
        copy_odd_packet(m, data_place(format, to), captured);
    else
        copy_packet(data_place(format, to), rte_pktmbuf_mtod(m, const uint8_t *), captured);
    return surround_data(format, t, captured, length, to, seal);
}

#endif
