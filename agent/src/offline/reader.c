/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint8_t magic[4];
    unsigned len;
    const char *what;
} others[] = {
    {{0x1f, 0x8b}, 2, "compressed with gzip: unpack it first (gunzip)"},
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, "compressed with zstd: unpack it first (unzstd)"},
    {{0x04, 0x22, 0x4d, 0x18}, 4, "compressed with lz4: unpack it first (unlz4)"},
    {{0xfd, '7', 'z', 'X'}, 4, "compressed with xz: unpack it first (unxz)"},
    {{'B', 'Z', 'h'}, 3, "compressed with bzip2: unpack it first (bunzip2)"},
    {{0x34, 0xcd, 0xb2, 0xa1}, 4, "the \"modified\" (Kuznetzov) pcap of old Linux kernels' patches"},
    {{0xa1, 0xb2, 0xcd, 0x34}, 4, "the \"modified\" (Kuznetzov) pcap of old Linux kernels' patches"},
    {{0x12, 0xcb, 0xe2, 0xa1}, 4, "the pcap of Navtel's or Alexey Kuznetzov's later patches"},
    {{0xa1, 0xe2, 0xcb, 0x12}, 4, "the pcap of Navtel's or Alexey Kuznetzov's later patches"},
    {{'s', 'n', 'o', 'o'}, 4, "a snoop file: convert it first (editcap)"},
};

bool reader_stop(struct reader *r, enum reader_end end, const char *format, ...)
{
    va_list args;

    r->end = end;
    va_start(args, format);
    vsnprintf(r->why, sizeof(r->why), format, args);
    va_end(args);
    return false;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

bool reader_stop_short(struct reader *r)
{
    size_t left = source_left(&r->src);

    r->whole_bytes = source_offset(&r->src, r->src.next);
    if (r->src.error != 0) {
        r->error = r->src.error;
        return reader_stop(r, END_IO, "%s", "");
    }
    if (left == 0)
        return reader_stop(r, END_WHOLE, "%s", "");
    return reader_stop(r, all_zero(r->src.next, left) ? END_UNWRITTEN : END_CUT, "%s", "");
}

bool reader_stop_marker(struct reader *r)
{
    r->whole_bytes = source_offset(&r->src, r->src.next);
    return reader_stop(r, END_UNWRITTEN, "%s", "");
}

bool reader_stop_zeros(struct reader *r)
{
    struct source *s = &r->src;

    r->whole_bytes = source_offset(s, s->next);
    while (source_left(s) != 0 && all_zero(s->next, source_left(s))) {
        s->next = s->end;
        source_more(s, 1);
    }
    if (s->error != 0) {
        r->error = s->error;
        return reader_stop(r, END_IO, "%s", "");
    }
    if (source_left(s) == 0)
        return reader_stop(r, END_UNWRITTEN, "%s", "");
    while (*s->next == 0)
        s->next++;
    return reader_stop(r, END_CORRUPT, "zeros where a record should begin, and other bytes again from offset %llu on",
                       (unsigned long long)source_offset(s, s->next));
}

struct capture_interface *reader_add_interface(struct reader *r)
{
    struct capture_interface *new;

    /* Room doubles at each power of two. */
    if ((r->n_interfaces & (r->n_interfaces - 1)) == 0) {
        size_t room = r->n_interfaces == 0 ? 1 : 2 * (size_t)r->n_interfaces;

        new = realloc(r->interfaces, room * sizeof(*new));
        if (new == NULL)
            return NULL;
        r->interfaces = new;
    }
    new = &r->interfaces[r->n_interfaces++];
    memset(new, 0, sizeof(*new));
    return new;
}

static bool open_unknown(struct reader *r, size_t have)
{
    const uint8_t *p = r->src.next;

    if (r->src.error != 0)
        return reader_stop_short(r);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (have >= others[i].len && memcmp(p, others[i].magic, others[i].len) == 0)
            return reader_stop(r, END_UNKNOWN, "%s", others[i].what);
    if (have == 0)
        return reader_stop(r, END_UNKNOWN, "the file is empty");
    if (all_zero(p, have))
        return reader_stop(r, END_UNKNOWN, "the file begins with zeros: its header was never written");
    if (have < 4)
        return reader_stop(r, END_UNKNOWN, "the file ends inside its first four bytes");
    return reader_stop(r, END_UNKNOWN, "it begins with %02x %02x %02x %02x: neither pcap nor pcapng", p[0], p[1], p[2],
                       p[3]);
}

bool reader_open(struct reader *r)
{
    size_t have = source_want(&r->src, 24);
    uint32_t magic = 0;

    if (have >= 4)
        memcpy(&magic, r->src.next, 4);
    switch (magic) {
    case 0xa1b2c3d4:
    case 0xd4c3b2a1:
    case 0xa1b23c4d:
    case 0x4d3cb2a1:
        r->format = FORMAT_PCAP;
        return pcapfile_open(r);
    case 0x0a0d0d0a:
        r->format = FORMAT_PCAPNG;
        return pcapngfile_open(r);
    default:
        return open_unknown(r, have);
    }
}

bool reader_join(struct reader *r, const struct reader *head)
{
    struct source src = r->src;

    *r = *head;
    r->src = src;
    r->other_blocks = r->odd_times = 0;
    r->whole_bytes = 0;
    r->end = END_NOT_YET;
    r->interfaces = NULL;
    r->n_interfaces = 0;
    for (uint32_t i = 0; i < head->n_interfaces; i++) {
        struct capture_interface *new = reader_add_interface(r);

        if (new == NULL)
            return false;
        *new = head->interfaces[i];
    }
    return true;
}

/* So many records in a row are no accident; what it is nevertheless is found out later. */
#define FOLLOWING 40u

static size_t record_bytes(const struct reader *head, const uint8_t *p, const uint8_t *end, const uint8_t *before)
{
    return head->format == FORMAT_PCAP ? pcapfile_plausible(head, p, end, before) : pcapngfile_plausible(head, p, end);
}

static bool records_follow(const struct reader *head, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *before = NULL;

    for (unsigned i = 0; i < FOLLOWING; i++) {
        size_t len = record_bytes(head, p, end, before);

        if (len == 0 || len > (size_t)(end - p))
            return false;
        before = p;
        p += len;
    }
    return true;
}

const uint8_t *reader_find_record(const struct reader *head, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;

    for (; p < end; p++)
        if (records_follow(head, p, end))
            return p;
    return NULL;
}

bool reader_has_next(const struct reader *r)
{
    size_t len = r->end == END_NOT_YET ? record_bytes(r, r->src.next, r->src.end, NULL) : 0;

    return len != 0 && len <= source_left(&r->src);
}

void reader_close(struct reader *r)
{
    source_close(&r->src);
    free(r->interfaces);
    r->interfaces = NULL;
    r->n_interfaces = 0;
}

bool reader_next(struct reader *r, struct record_batch *batch)
{
    batch->n = 0;
    if (r->end != END_NOT_YET)
        return false;
    return r->format == FORMAT_PCAP ? pcapfile_next(r, batch) : pcapngfile_next(r, batch);
}
