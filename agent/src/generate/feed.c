/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

void feed_numbered(struct feed *f, const struct destinations *destinations, const struct sizes *sizes, bool untagged,
                   uint32_t n_flows, uint64_t first)
{
    f->to = f->first_to = destinations->layout;
    f->end_to = f->first_to + destinations->n;
    f->sizes = *sizes;
    f->tag_bytes = untagged ? FRAME_TAG_LEN : 0;
    f->n_flows = n_flows;
    f->flow = 0;
    f->seq = first;
}

static const char *start_round(struct feed *f)
{
    struct source_options options = {.ahead = true, .cpus = CPU_COUNT(&f->cpus) != 0 ? &f->cpus : NULL};

    if (lseek(f->fd, 0, SEEK_SET) != 0)
        return errno_text(errno);
    memset(&f->reader, 0, sizeof(f->reader));
    f->batch.n = f->at = 0;
    f->last_ns = READER_NO_TIME;
    f->gaps_ns = f->n_gaps = 0;
    if (!source_open_fd(&f->reader.src, f->fd, &options))
        return errno_text(errno);
    if (reader_open(&f->reader))
        return NULL;
    return f->reader.end == END_IO ? errno_text(f->reader.error) : text("%s", f->reader.why);
}

const char *feed_file(struct feed *f, const char *path, bool renumber, uint64_t first)
{
    f->path = path;
    f->renumber = renumber;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return errno_text(errno);
    if (sched_getaffinity(0, sizeof(f->cpus), &f->cpus) != 0)
        CPU_ZERO(&f->cpus);
    if (renumber) {
        f->next_seq = malloc(FRAME_FLOWS_MAX * sizeof(*f->next_seq));
        if (f->next_seq == NULL)
            return "out of memory";
        for (uint32_t i = 0; i < FRAME_FLOWS_MAX; i++)
            f->next_seq[i] = first;
    }
    return start_round(f);
}

/* Moves on to the next record of the batch that can be sent, or whose link says that none can; false: none is left. */
static bool in_batch(struct feed *f)
{
    for (; f->at < f->batch.n && f->batch.link == LINK_ETHERNET; f->at++) {
        if (f->batch.caplen[f->at] <= f->room && f->batch.caplen[f->at] != 0)
            return true;
        f->too_long += f->batch.caplen[f->at] != 0;
    }
    return f->at < f->batch.n;
}

bool feed_is_ready(struct feed *f)
{
    if (f->path == NULL)
        return true;
    while (!in_batch(f)) {
        if (!reader_has_next(&f->reader))
            return false;
        f->at = 0;
        if (!reader_next(&f->reader, &f->batch))
            return false;
    }
    return true;
}

/* The next record that can be sent, in this round or the next; false at the end of an unusable file. */
static bool next_record(struct feed *f)
{
    for (;;) {
        if (in_batch(f))
            return f->batch.link == LINK_ETHERNET;
        f->at = 0;
        if (reader_next(&f->reader, &f->batch))
            continue;
        if (f->taken == 0 || f->reader.end == END_CORRUPT || f->reader.end == END_IO)
            return false;
        f->taken = 0;
        f->rounds++;
        f->wrap_ns = f->n_gaps != 0 ? f->gaps_ns / f->n_gaps : 0;
        reader_close(&f->reader);
        if (start_round(f) != NULL)
            return false;
    }
}

/* Time between the record of this time and the one before; a file whose times go back has none there. */
static uint64_t gap_before(struct feed *f, uint64_t now)
{
    uint64_t gap_ns = 0;

    if (f->last_ns == READER_NO_TIME) {
        gap_ns = f->wrap_ns;
    } else if (now > f->last_ns) {
        gap_ns = now - f->last_ns;
        f->gaps_ns += gap_ns;
        f->n_gaps++;
    }
    f->last_ns = now;
    return gap_ns;
}

uint32_t feed_look(struct feed *f, uint64_t *gap_ns)
{
    uint32_t size;

    *gap_ns = 0;
    if (f->path == NULL)
        return sizes_next(&f->sizes) - FRAME_FCS_LEN + f->tag_bytes * f->to->tags;
    if (!next_record(f))
        return 0;
    if (f->batch.time_ns[f->at] != READER_NO_TIME)
        *gap_ns = gap_before(f, f->batch.time_ns[f->at]);
    size = f->batch.caplen[f->at];
    return size < FRAME_SIZE_MIN ? FRAME_SIZE_MIN : size;
}

static void write_numbered(struct feed *f, uint8_t *to, uint32_t size, uint64_t time_ns)
{
    struct frame_id id = {.seq = f->seq, .time_ns = time_ns, .flow = (uint16_t)f->flow};

    frame_build(to, size, f->to, &id);
    if (++f->to == f->end_to)
        f->to = f->first_to;
    if (++f->flow == f->n_flows) {
        f->flow = 0;
        f->to = f->first_to;
        f->seq++;
    }
}

/* 0 to FRAME_TAGS_MAX; the frame is known to be a numbered one. */
static unsigned count_tags(const uint8_t *frame)
{
    unsigned tags = 0;

    while (frame[12 + 4 * tags] != 0x08)
        tags++;
    return tags;
}

static void renumber(struct feed *f, uint8_t *frame, uint32_t size, uint32_t wirelen, uint64_t time_ns)
{
    struct frame_id id;
    unsigned tags;
    uint32_t l2;

    if (wirelen != size || frame_judge(frame, size, size, &id) != FRAME_GOOD) {
        f->foreign++;
        return;
    }
    tags = count_tags(frame);
    l2 = FRAME_L2_LEN + FRAME_TAG_LEN * tags;
    id.seq = f->next_seq[id.flow]++;
    id.time_ns = time_ns;
    frame_renumber(frame, l2 + ((uint32_t)frame[l2 + 2] << 8 | frame[l2 + 3]), tags, &id);
}

void feed_write(struct feed *f, uint8_t *to, uint32_t size, uint64_t time_ns)
{
    uint32_t caplen;

    if (f->path == NULL) {
        write_numbered(f, to, size, time_ns);
        return;
    }
    caplen = f->batch.caplen[f->at];
    memcpy(to, f->batch.data[f->at], caplen);
    if (caplen < size) {
        memset(to + caplen, 0, size - caplen);
        f->padded++;
    }
    f->cut += caplen < f->batch.wirelen[f->at];
    if (f->renumber)
        renumber(f, to, caplen, f->batch.wirelen[f->at], time_ns);
    f->at++;
    f->taken++;
}

const char *feed_why(const struct feed *f)
{
    if (f->batch.n != 0 && f->batch.link != LINK_ETHERNET)
        return text("it holds packets of link type %u, and a port sends Ethernet frames", f->batch.link);
    if (f->reader.end == END_CORRUPT)
        return text("it is damaged at offset %llu: %s", (unsigned long long)f->reader.whole_bytes, f->reader.why);
    if (f->reader.end == END_IO)
        return errno_text(f->reader.error);
    return f->too_long != 0 ? text("none of its frames fits into the %u bytes that the port can send", f->room)
                            : "it holds no packets";
}

void feed_close(struct feed *f)
{
    if (f->path == NULL)
        return;
    reader_close(&f->reader);
    if (f->fd >= 0)
        close(f->fd);
    free(f->next_seq);
}
