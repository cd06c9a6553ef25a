/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a stream for a reader, and what a reader says of them, in a form that can be compared. */
#ifndef NFVCAP_FUZZ_READER_H
#define NFVCAP_FUZZ_READER_H

#include <stdlib.h>
#include <string.h>

#include "offline/tally.h"

struct stream {
    const uint8_t *data;
    size_t len;
    size_t at;
};

struct told {
    enum reader_end end;
    uint64_t whole_bytes;
    uint64_t packets;
    uint64_t sum; /* over everything that a packet has */
    uint64_t sections;
    uint64_t interfaces;
    struct counts counts;
};

static inline ssize_t read_stream(void *arg, void *buf, size_t len)
{
    struct stream *s = arg;

    if (len > s->len - s->at)
        len = s->len - s->at;
    memcpy(buf, s->data + s->at, len);
    s->at += len;
    return (ssize_t)len;
}

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

static inline void look_at(struct told *told, const struct reader *r, const struct record_batch *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        require(b->data[i] >= r->src.next - SOURCE_STRETCH_MAX * 2 && b->data[i] + b->caplen[i] <= r->src.end);
        told->packets++;
        told->sum = told->sum * 31 + b->link + b->caplen[i] * 7u + b->wirelen[i] * 13u + b->time_ns[i];
        for (uint32_t k = 0; k < b->caplen[i]; k++)
            told->sum = told->sum * 31 + b->data[i][k];
        if (r->format == FORMAT_PCAPNG) {
            const uint8_t *options = b->data[i] + ((b->caplen[i] + 3u) & ~3u);

            require(b->interface[i] < r->n_interfaces && options + b->options_len[i] + 4 <= r->src.end);
            for (uint32_t k = 0; k < b->options_len[i]; k++)
                told->sum = told->sum * 31 + options[k];
        }
    }
}

/* A tally is large: one for all runs, emptied for each. */
static inline struct tally *fresh_tally(void)
{
    static struct tally *t;

    if (t == NULL)
        t = tally_new(64u << 20);
    for (uint32_t i = 0; i < t->n_used; i++) {
        flow_free(t->flows[t->used[i]]);
        free(t->flows[t->used[i]]);
        t->flows[t->used[i]] = NULL;
    }
    t->n_used = 0;
    memset(t->sizes, 0, sizeof(t->sizes));
    return t;
}

/* Reads all of it, `chunk` bytes at a time, and counts it too. */
static inline struct told tell(const uint8_t *data, size_t len, size_t chunk)
{
    struct tally *tally = fresh_tally();
    struct source_options options = {.chunk_bytes = chunk, .exact_chunk = true};
    struct stream stream = {.data = data, .len = len};
    struct record_batch batch;
    struct reader r = {0};
    struct told told = {0};

    tally_begin_file(tally);
    require(source_open_fn(&r.src, read_stream, &stream, &options));
    if (reader_open(&r))
        while (reader_next(&r, &batch)) {
            require(batch.n != 0 && batch.n <= READER_BATCH);
            look_at(&told, &r, &batch);
            tally_batch(tally, &r, &batch);
        }
    tally_end_file(tally);
    require(r.end != END_NOT_YET && r.end != END_IO && r.whole_bytes <= len);
    require((r.end == END_CORRUPT || r.end == END_UNKNOWN) == (r.why[0] != '\0'));
    require(r.end != END_WHOLE || r.whole_bytes == len);
    told.end = r.end;
    told.whole_bytes = r.whole_bytes;
    told.sections = r.sections;
    told.interfaces = r.n_interfaces;
    told.counts = tally->file;
    reader_close(&r);
    return told;
}

#endif
