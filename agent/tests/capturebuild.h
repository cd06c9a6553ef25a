/* SPDX-License-Identifier: Apache-2.0 */
/* Capture files made by hand in memory, in either byte order, and a reader over them. */
#ifndef NFVCAP_TESTS_CAPTUREBUILD_H
#define NFVCAP_TESTS_CAPTUREBUILD_H

#include <errno.h>

#include "frames.h"
#include "offline/reader.h"

struct bytes {
    uint8_t data[1 << 20];
    size_t len;
    size_t at; /* of the reader */
    bool big_endian;
};

static inline void put_raw(struct bytes *b, const void *data, size_t len)
{
    assert_true(b->len + len <= sizeof(b->data));
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void put_zeros(struct bytes *b, size_t len)
{
    memset(b->data + b->len, 0, len);
    b->len += len;
}

static inline void put_uint(struct bytes *b, uint64_t v, unsigned size)
{
    uint8_t out[8];

    for (unsigned i = 0; i < size; i++)
        out[b->big_endian ? size - 1 - i : i] = (uint8_t)(v >> 8 * i);
    put_raw(b, out, size);
}

static inline void put16(struct bytes *b, uint16_t v)
{
    put_uint(b, v, 2);
}

static inline void put32(struct bytes *b, uint32_t v)
{
    put_uint(b, v, 4);
}

static inline void put_pcap_header(struct bytes *b, uint32_t magic, uint32_t link)
{
    put32(b, magic);
    put16(b, 2);
    put16(b, 4);
    put32(b, 0);
    put32(b, 0);
    put32(b, 65535);
    put32(b, link);
}

static inline void put_record(struct bytes *b, uint32_t seconds, uint32_t frac, const void *data, uint32_t caplen,
                              uint32_t wirelen)
{
    put32(b, seconds);
    put32(b, frac);
    put32(b, caplen);
    put32(b, wirelen);
    put_raw(b, data, caplen);
}

/* A pcapng block around what is already written from `start` (which left 8 bytes) on. */
static inline size_t begin_block(struct bytes *b, uint32_t type)
{
    put32(b, type);
    put32(b, 0);
    return b->len - 8;
}

static inline void end_block(struct bytes *b, size_t start)
{
    struct bytes *length = calloc(1, sizeof(*length));

    put_zeros(b, (4 - (b->len - start) % 4) % 4);
    length->big_endian = b->big_endian;
    put32(length, (uint32_t)(b->len - start + 4));
    memcpy(b->data + start + 4, length->data, 4);
    put_raw(b, length->data, 4);
    free(length);
}

static inline void put_section(struct bytes *b, uint64_t section_length)
{
    size_t start = begin_block(b, 0x0a0d0d0a);

    put32(b, 0x1a2b3c4d);
    put16(b, 1);
    put16(b, 0);
    put_uint(b, section_length, 8);
    end_block(b, start);
}

static inline void put_option(struct bytes *b, uint16_t code, const void *value, uint16_t len)
{
    put16(b, code);
    put16(b, len);
    put_raw(b, value, len);
    put_zeros(b, (4 - len % 4) % 4);
}

/* tsresol 0: no such option. */
static inline void put_interface(struct bytes *b, uint16_t link, uint32_t snaplen, uint8_t tsresol)
{
    size_t start = begin_block(b, 1);

    put16(b, link);
    put16(b, 0);
    put32(b, snaplen);
    if (tsresol != 0) {
        put_option(b, 9, &tsresol, 1);
        put_option(b, 0, "", 0);
    }
    end_block(b, start);
}

static inline void put_enhanced(struct bytes *b, uint32_t interface, uint64_t ticks, const void *data, uint32_t caplen,
                                uint32_t wirelen)
{
    size_t start = begin_block(b, 6);

    put32(b, interface);
    put32(b, (uint32_t)(ticks >> 32));
    put32(b, (uint32_t)ticks);
    put32(b, caplen);
    put32(b, wirelen);
    put_raw(b, data, caplen);
    end_block(b, start);
}

static inline void put_unknown(struct bytes *b, uint32_t type, uint32_t len)
{
    size_t start = begin_block(b, type);

    for (uint32_t i = 0; i < len; i++)
        put_raw(b, "\x55", 1);
    end_block(b, start);
}

static inline ssize_t read_bytes(void *arg, void *buf, size_t len)
{
    struct bytes *b = arg;

    if (len > b->len - b->at)
        len = b->len - b->at;
    memcpy(buf, b->data + b->at, len);
    b->at += len;
    return (ssize_t)len;
}

/* A reader over the bytes, in reads of `chunk` bytes (0: the default). */
static inline bool open_bytes(struct reader *r, struct bytes *b, size_t chunk, bool ahead)
{
    struct source_options options = {.chunk_bytes = chunk, .exact_chunk = chunk != 0, .ahead = ahead};

    memset(r, 0, sizeof(*r));
    b->at = 0;
    assert_true(source_open_fn(&r->src, read_bytes, b, &options));
    return reader_open(r);
}

struct seen {
    uint64_t packets;
    uint64_t bytes;
    uint64_t sum; /* of everything a record has, in order */
    uint64_t last_ns;
    uint32_t last_caplen, last_wirelen;
    uint64_t last_first_byte;
};

/* Reads to the end and closes all but what `r` says of the end. */
static inline struct seen read_all(struct reader *r)
{
    struct record_batch batch;
    struct seen seen = {0};

    while (reader_next(r, &batch)) {
        assert_true(batch.n > 0 && batch.n <= READER_BATCH);
        for (unsigned i = 0; i < batch.n; i++) {
            seen.packets++;
            seen.bytes += batch.caplen[i];
            seen.last_ns = batch.time_ns[i];
            seen.last_caplen = batch.caplen[i];
            seen.last_wirelen = batch.wirelen[i];
            seen.last_first_byte = batch.caplen[i] != 0 ? batch.data[i][0] : 0;
            seen.sum = seen.sum * 31 + batch.time_ns[i] + batch.wirelen[i] + batch.link;
            for (uint32_t k = 0; k < batch.caplen[i]; k++)
                seen.sum = seen.sum * 31 + batch.data[i][k];
        }
    }
    reader_close(r);
    return seen;
}

#endif
