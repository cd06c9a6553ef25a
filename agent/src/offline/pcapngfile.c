/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng: any number of sections in either byte order, interfaces with time stamps of any resolution,
 * enhanced and simple packet blocks and the obsolete packet block. Other blocks are counted and passed over.
 */
#include <stddef.h>
#include <string.h>

#include "reader.h"

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET_OBSOLETE = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_STATISTICS = 5,
    BLOCK_ENHANCED = 6,
    BLOCK_SECTION = 0x0a0d0d0a,
};

#define END_MARKER 0xffffffffu /* src/capture/record.h: a mapped file's contents end here */
#define BLOCK_MIN 12u          /* type, length, length */
#define ENHANCED_MIN 32u       /* with its trailing length */
#define ENHANCED_DATA 28u
#define SIMPLE_DATA 12u

static inline uint16_t get16(const struct reader *r, const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return r->swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t get32(const struct reader *r, const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return r->swapped ? __builtin_bswap32(v) : v;
}

static inline uint64_t get64(const struct reader *r, const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return r->swapped ? __builtin_bswap64(v) : v;
}

static bool corrupt(struct reader *r, const char *why)
{
    r->whole_bytes = source_offset(&r->src, r->src.next);
    return reader_stop(r, END_CORRUPT, "%s", why);
}

/* Ticks of an interface's clock to ns since 1970; what cannot be said so is counted and bent to the nearest.
 */
static uint64_t to_ns(struct reader *r, const struct capture_interface *i, uint64_t ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * 1000000000 / i->ticks_per_s;
    __int128 all = (__int128)ns + (__int128)i->offset_s * 1000000000;

    if (all >= 0 && all < (__int128)READER_NO_TIME)
        return (uint64_t)all;
    r->odd_times++;
    return all < 0 ? 0 : READER_NO_TIME - 1;
}

/* if_tsresol: a power of ten, or of two if the top bit is set. */
static bool set_resolution(struct capture_interface *i, uint8_t value)
{
    unsigned exponent = value & 0x7f;

    if (exponent > (value & 0x80 ? 63 : 19))
        return false;
    i->ticks_per_s = 1;
    for (unsigned k = 0; k < exponent; k++)
        i->ticks_per_s *= value & 0x80 ? 2 : 10;
    return true;
}

static const char *interface_option(struct reader *r, struct capture_interface *i, unsigned code, const uint8_t *value,
                                    unsigned len)
{
    switch (code) {
    case 2: /* if_name */
        if (len >= sizeof(i->name))
            len = sizeof(i->name) - 1;
        memcpy(i->name, value, len);
        i->name[len] = '\0';
        break;
    case 9: /* if_tsresol */
        if (len != 1 || !set_resolution(i, value[0]))
            return "an interface's time resolution (if_tsresol) is none";
        break;
    case 13: /* if_fcslen */
        if (len == 1)
            i->fcs_bytes = value[0];
        break;
    case 14: /* if_tsoffset */
        if (len != 8)
            return "an interface's time offset (if_tsoffset) is not of 8 bytes";
        i->offset_s = (int64_t)get64(r, value);
        break;
    default:
        break;
    }
    return NULL;
}

static const char *statistics_option(struct reader *r, struct capture_interface *i, unsigned code, const uint8_t *value,
                                     unsigned len)
{
    if (len != 8)
        return NULL;
    if (code == 4) /* isb_ifrecv */
        i->received = get64(r, value);
    if (code == 5) { /* isb_ifdrop */
        i->has_drops = true;
        i->dropped = get64(r, value);
    }
    return NULL;
}

typedef const char *(*option_fn)(struct reader *r, struct capture_interface *i, unsigned code, const uint8_t *value,
                                 unsigned len);

/* NULL, or what is wrong with the options between p and end. */
static const char *each_option(struct reader *r, struct capture_interface *i, const uint8_t *p, const uint8_t *end,
                               option_fn take)
{
    while (end - p >= 4) {
        unsigned code = get16(r, p), len = get16(r, p + 2), padded = (len + 3u) & ~3u;
        const char *wrong;

        if (code == 0)
            return NULL;
        if ((size_t)(end - p) < 4 + (size_t)padded)
            return "an option runs over the end of its block";
        wrong = take(r, i, code, p + 4, len);
        if (wrong != NULL)
            return wrong;
        p += 4 + padded;
    }
    return NULL;
}

/* The whole blocks below lie in the window at `p`, `len` bytes long, lengths checked. */

static bool take_section(struct reader *r, const uint8_t *p, uint32_t len)
{
    if (len < 28)
        return corrupt(r, "a section header of less than 28 bytes");
    if (get16(r, p + 12) != 1) {
        r->whole_bytes = source_offset(&r->src, p);
        return reader_stop(r, r->sections == 0 ? END_UNKNOWN : END_CORRUPT, "pcapng version %u.%u: only 1.x is known",
                           get16(r, p + 12), get16(r, p + 14));
    }
    r->sections++;
    r->section_offset = source_offset(&r->src, p);
    r->section_sized = get64(r, p + 16) != UINT64_MAX;
    r->section_first = r->n_interfaces;
    return true;
}

static bool take_interface(struct reader *r, const uint8_t *p, uint32_t len)
{
    struct capture_interface *i;
    const char *wrong;

    if (len < 20)
        return corrupt(r, "an interface description of less than 20 bytes");
    if (r->n_interfaces == READER_INTERFACES_MAX)
        return corrupt(r, "more than 65536 interfaces");
    i = reader_add_interface(r);
    if (i == NULL)
        return corrupt(r, "out of memory for its interfaces");
    i->link = get16(r, p + 8);
    i->snaplen = get32(r, p + 12);
    i->ticks_per_s = 1000000;
    wrong = each_option(r, i, p + 16, p + len - 4, interface_option);
    return wrong == NULL || corrupt(r, wrong);
}

static bool take_statistics(struct reader *r, const uint8_t *p, uint32_t len)
{
    uint32_t number;
    const char *wrong;

    if (len < 24)
        return corrupt(r, "interface statistics of less than 24 bytes");
    number = get32(r, p + 8);
    if (number >= r->n_interfaces - r->section_first)
        return corrupt(r, "statistics of an interface that was not described");
    wrong = each_option(r, &r->interfaces[r->section_first + number], p + 20, p + len - 4, statistics_option);
    return wrong == NULL || corrupt(r, wrong);
}

static bool take_packet(struct reader *r, struct record_batch *b, const uint8_t *p, uint32_t type, uint32_t len)
{
    uint32_t number = 0, data = ENHANCED_DATA, padded;
    struct capture_interface *i;

    if (len < (type == BLOCK_SIMPLE ? SIMPLE_DATA + 4 : ENHANCED_MIN))
        return corrupt(r, "a packet block shorter than its own header");
    if (type != BLOCK_SIMPLE)
        number = type == BLOCK_ENHANCED ? get32(r, p + 8) : get16(r, p + 8);
    if (number >= r->n_interfaces - r->section_first)
        return corrupt(r, "a packet of an interface that was not described");
    number += r->section_first;
    i = &r->interfaces[number];

    if (type == BLOCK_SIMPLE) {
        data = SIMPLE_DATA;
        b->wirelen[0] = b->caplen[0] = get32(r, p + 8);
        if (i->snaplen != 0 && b->caplen[0] > i->snaplen)
            b->caplen[0] = i->snaplen;
        b->time_ns[0] = READER_NO_TIME;
    } else {
        b->caplen[0] = get32(r, p + 20);
        b->wirelen[0] = get32(r, p + 24);
        b->time_ns[0] = to_ns(r, i, (uint64_t)get32(r, p + 12) << 32 | get32(r, p + 16));
    }
    if (b->caplen[0] > len - data - 4)
        return corrupt(r, "a packet longer than its block");
    padded = (b->caplen[0] + 3u) & ~3u;
    b->data[0] = p + data;
    b->interface[0] = number;
    b->options_len[0] = len - 4 - data - padded;
    b->link = i->link;
    b->n = 1;
    r->record_header = data;
    return true;
}

/* The byte order of a section is in its header, behind the length that needs it. */
static bool set_byte_order(struct reader *r, const uint8_t *p)
{
    uint32_t magic;

    memcpy(&magic, p + 8, 4);
    if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
        return corrupt(r, "a section header without the byte order magic");
    r->swapped = magic == 0x4d3c2b1a;
    return true;
}

static bool is_read(uint32_t type)
{
    return type == BLOCK_SECTION || type == BLOCK_INTERFACE || type == BLOCK_STATISTICS || type == BLOCK_ENHANCED ||
           type == BLOCK_SIMPLE || type == BLOCK_PACKET_OBSOLETE;
}

/* The window has moved to the trailing length of a block of `len` bytes that begins at `start`. */
static bool end_block(struct reader *r, uint64_t start, uint32_t len)
{
    bool whole = source_want(&r->src, 4) >= 4;

    if (!whole || get32(r, r->src.next) != len) {
        if (whole)
            reader_stop(r, END_CORRUPT, "the two lengths of a block differ: %u and %u", len, get32(r, r->src.next));
        else
            reader_stop_short(r);
        if (r->end != END_CORRUPT && r->end != END_IO)
            r->end = END_CUT;
        r->whole_bytes = start;
        return false;
    }
    r->src.next += 4;
    return true;
}

static bool pass_over(struct reader *r, uint32_t len)
{
    uint64_t start = source_offset(&r->src, r->src.next);

    r->other_blocks++;
    source_skip(&r->src, len - 4);
    return end_block(r, start, len);
}

/* One block, whatever it is. True: it was whole; b->n says whether it was a packet. */
static bool take_block(struct reader *r, struct record_batch *b)
{
    struct source *s = &r->src;
    uint32_t type, len;
    size_t have = source_want(s, BLOCK_MIN);
    const uint8_t *p = s->next;

    if (have < BLOCK_MIN)
        return reader_stop_short(r);
    memcpy(&type, p, 4);
    if (type == BLOCK_SECTION && !set_byte_order(r, p))
        return false;
    type = get32(r, p);
    len = get32(r, p + 4);
    if ((type | len) == 0)
        return reader_stop_zeros(r);
    if (type == 0 && len == END_MARKER)
        return reader_stop_marker(r);
    if (len < BLOCK_MIN || len % 4 != 0)
        return corrupt(r, "a block whose length is less than 12 or not a multiple of 4");
    if (!is_read(type))
        return pass_over(r, len);
    if (len > SOURCE_STRETCH_MAX)
        return corrupt(r, "a packet, interface or section block of more than 1 MiB");
    if (source_want(s, len) < len)
        return reader_stop_short(r);

    p = s->next;
    if (get32(r, p + len - 4) != len) {
        r->whole_bytes = source_offset(s, p);
        return reader_stop(r, END_CORRUPT, "the two lengths of a block differ: %u and %u", len, get32(r, p + len - 4));
    }
    if (type == BLOCK_SECTION      ? !take_section(r, p, len)
        : type == BLOCK_INTERFACE  ? !take_interface(r, p, len)
        : type == BLOCK_STATISTICS ? !take_statistics(r, p, len)
                                   : !take_packet(r, b, p, type, len))
        return false;
    s->next += len;
    return true;
}

/*
 * The hot loop: enhanced packet blocks of one link type, in this machine's byte order, with ns or us; ends at
 * anything else.
 */
static void take(struct reader *r, struct record_batch *b)
{
    uint32_t n_interfaces = r->n_interfaces - r->section_first;
    const uint8_t *p = r->src.next, *end = r->src.end;
    unsigned n = 0;

    while (n < READER_BATCH && (size_t)(end - p) >= ENHANCED_MIN) {
        uint32_t h[7], trailer, len;
        const struct capture_interface *i;
        uint64_t ticks, scale;

        memcpy(h, p, sizeof(h));
        len = h[1];
        if (h[0] != BLOCK_ENHANCED || len > (size_t)(end - p) || len < ENHANCED_MIN || len % 4 != 0 ||
            h[2] >= n_interfaces || h[5] > len - ENHANCED_MIN)
            break;
        memcpy(&trailer, p + len - 4, 4);
        i = &r->interfaces[r->section_first + h[2]];
        ticks = (uint64_t)h[3] << 32 | h[4];
        scale = i->ticks_per_s == 1000000000 ? 1 : 1000;
        if (trailer != len || (n != 0 && i->link != b->link) || i->offset_s != 0 ||
            (scale == 1000 && i->ticks_per_s != 1000000) || ticks >= UINT64_MAX / 1000)
            break;
        reader_fetch_ahead(p);
        b->link = i->link;
        b->data[n] = p + ENHANCED_DATA;
        b->caplen[n] = h[5];
        b->wirelen[n] = h[6];
        b->time_ns[n] = ticks * scale;
        b->interface[n] = r->section_first + h[2];
        b->options_len[n] = len - ENHANCED_MIN - ((h[5] + 3u) & ~3u);
        n++;
        p += len;
    }
    r->src.next = p;
    r->record_header = ENHANCED_DATA;
    b->n = n;
}

bool pcapngfile_open(struct reader *r)
{
    struct record_batch none = {0};

    if (take_block(r, &none))
        return true;
    if (r->end == END_CUT || r->end == END_UNWRITTEN)
        return reader_stop(r, END_UNKNOWN, "the file ends inside its first section header");
    return false;
}

bool pcapngfile_next(struct reader *r, struct record_batch *b)
{
    if (!r->swapped)
        take(r, b);
    while (b->n == 0)
        if (!take_block(r, b))
            return false;
    return true;
}

size_t pcapngfile_plausible(const struct reader *head, const uint8_t *p, const uint8_t *end)
{
    uint32_t len;

    if ((size_t)(end - p) < ENHANCED_MIN || get32(head, p) != BLOCK_ENHANCED)
        return 0;
    len = get32(head, p + 4);
    if (len < ENHANCED_MIN || len % 4 != 0 || len > (size_t)(end - p) || get32(head, p + len - 4) != len ||
        get32(head, p + 8) >= head->n_interfaces - head->section_first || get32(head, p + 20) > len - ENHANCED_MIN)
        return 0;
    return len;
}
