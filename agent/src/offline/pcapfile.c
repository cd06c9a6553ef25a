/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic pcap format, both byte orders, microseconds and nanoseconds. Version 2.4, and the older ones
 * that libpcap still reads (before 2.3 the two lengths of a record were swapped, in 2.3 by some writers).
 */
#include <string.h>

#include "reader.h"

#define FILE_HEADER 24u
#define END_MARKER 0xffffffffu /* src/capture/record.h: a mapped file's contents end here */
#define RECORD_HEADER 16u

/* What libpcap refuses to exceed, whatever the snap length says; USB and D-Bus captures may be longer. */
#define CAPLEN_MAX 262144u

static inline uint32_t get32(const uint8_t *p, bool swapped)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return swapped ? __builtin_bswap32(v) : v;
}

static uint32_t longest(uint32_t link)
{
    return link == 231 || link == 249 || link == 279 ? (uint32_t)(SOURCE_STRETCH_MAX - RECORD_HEADER) : CAPLEN_MAX;
}

bool pcapfile_open(struct reader *r)
{
    struct capture_interface *interface;
    const uint8_t *p = r->src.next;
    uint32_t magic, version, link;

    if (source_left(&r->src) < FILE_HEADER)
        return r->src.error != 0 ? reader_stop_short(r)
                                 : reader_stop(r, END_UNKNOWN, "the file ends inside its pcap header");
    memcpy(&magic, p, 4);
    r->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    magic = get32(p, r->swapped);
    r->frac_limit = magic == 0xa1b23c4d ? 1000000000 : 1000000;
    r->frac_ns = 1000000000 / r->frac_limit;

    version = get32(p + 4, r->swapped);
    if (r->swapped) /* two 16-bit fields, and not one of 32 bits */
        version = version >> 16 | version << 16;
    r->minor = version >> 16;
    if ((version & 0xffff) != 2)
        return reader_stop(r, END_UNKNOWN, "pcap version %u.%u: only 2.x is known", version & 0xffff, r->minor);
    link = get32(p + 20, r->swapped);

    interface = reader_add_interface(r);
    if (interface == NULL)
        return reader_stop(r, END_UNKNOWN, "out of memory");
    interface->link = link & 0x03ffffff;
    interface->snaplen = get32(p + 16, r->swapped);
    interface->fcs_bytes = link & 0x04000000 ? 2 * (link >> 28) : 0; /* counted in 16-bit words */
    interface->ticks_per_s = r->frac_limit;
    r->caplen_max = longest(interface->link);
    r->record_header = RECORD_HEADER;
    r->src.next += FILE_HEADER;
    r->whole_bytes = FILE_HEADER;
    return true;
}

/*
 * The hot loop. Takes the whole records of the window; stops at the first one that is not, or that has to be
 * looked at (zero or too long). `swapped` is a constant in each of its two uses.
 */
static inline __attribute__((always_inline)) void take(struct reader *r, struct record_batch *b, bool swapped)
{
    const uint8_t *p = r->src.next, *end = r->src.end;
    uint32_t frac_limit = r->frac_limit, frac_ns = r->frac_ns, caplen_max = r->caplen_max;
    unsigned n = 0, odd = 0;

    while (n < READER_BATCH && (size_t)(end - p) >= RECORD_HEADER) {
        uint32_t seconds = get32(p, swapped), frac = get32(p + 4, swapped);
        uint32_t caplen = get32(p + 8, swapped), wirelen = get32(p + 12, swapped);

        /* Zero wraps around: empty records, too, leave the loop. */
        if (__builtin_expect(caplen - 1 >= caplen_max, 0) || (size_t)(end - p) < RECORD_HEADER + (size_t)caplen)
            break;
        reader_fetch_ahead(p);
        b->data[n] = p + RECORD_HEADER;
        b->caplen[n] = caplen;
        b->wirelen[n] = wirelen;
        b->time_ns[n] = seconds * (uint64_t)1000000000 + (uint64_t)frac * frac_ns;
        odd += frac >= frac_limit;
        n++;
        p += RECORD_HEADER + caplen;
    }
    r->src.next = p;
    r->odd_times += odd;
    b->n = n;
}

/* The record at the front of the window, with all doubts. False when there is none. */
static bool take_one(struct reader *r, struct record_batch *b)
{
    uint32_t seconds, frac, caplen, wirelen;
    const uint8_t *p;

    if (source_want(&r->src, RECORD_HEADER) < RECORD_HEADER)
        return reader_stop_short(r);
    p = r->src.next;
    seconds = get32(p, r->swapped);
    frac = get32(p + 4, r->swapped);
    caplen = get32(p + 8, r->swapped);
    wirelen = get32(p + 12, r->swapped);
    if ((seconds | frac | caplen | wirelen) == 0)
        return reader_stop_zeros(r);
    if (caplen == END_MARKER && wirelen == 0)
        return reader_stop_marker(r);
    if (r->minor < 3 || (r->minor == 3 && caplen > wirelen)) {
        uint32_t other = caplen;

        caplen = wirelen;
        wirelen = other;
    }
    if (caplen > r->caplen_max) {
        r->whole_bytes = source_offset(&r->src, p);
        return reader_stop(r, END_CORRUPT, "a record says that it holds %u bytes, more than the %u that are possible",
                           caplen, r->caplen_max);
    }
    if (source_want(&r->src, RECORD_HEADER + (size_t)caplen) < RECORD_HEADER + (size_t)caplen)
        return reader_stop_short(r);
    p = r->src.next;
    b->data[0] = p + RECORD_HEADER;
    b->caplen[0] = caplen;
    b->wirelen[0] = wirelen;
    b->time_ns[0] = seconds * (uint64_t)1000000000 + (uint64_t)frac * r->frac_ns;
    r->odd_times += frac >= r->frac_limit;
    b->n = 1;
    r->src.next += RECORD_HEADER + caplen;
    return true;
}

bool pcapfile_next(struct reader *r, struct record_batch *b)
{
    b->link = r->interfaces[0].link;
    if (r->minor >= 4) {
        if (r->swapped)
            take(r, b, true);
        else
            take(r, b, false);
        if (b->n != 0)
            return true;
    }
    return take_one(r, b);
}

size_t pcapfile_plausible(const struct reader *head, const uint8_t *p, const uint8_t *end, const uint8_t *before)
{
    uint32_t seconds, caplen, wirelen;

    if ((size_t)(end - p) < RECORD_HEADER)
        return 0;
    seconds = get32(p, head->swapped);
    caplen = get32(p + 8, head->swapped);
    wirelen = get32(p + 12, head->swapped);
    if (get32(p + 4, head->swapped) >= head->frac_limit || caplen == 0 || caplen > head->caplen_max ||
        wirelen < caplen || wirelen > head->caplen_max)
        return 0;
    /* A packet a minute at least: a file that is large enough to be read in parts is not of a quiet line. */
    if (before != NULL && seconds - get32(before, head->swapped) + 60 > 120)
        return 0;
    return RECORD_HEADER + (size_t)caplen;
}
