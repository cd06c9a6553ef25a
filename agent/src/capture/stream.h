/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_STREAM_H
#define NFVCAP_STREAM_H

#include <stdint.h>
#include <string.h>

#include <x86intrin.h>

/*
 * Records on their way into memory that will not be read soon. An ordinary store into a cache line that is not in the
 * cache fetches the line first, and so moves twice the bytes; whole lines can be stored past the cache. Records do not
 * begin at lines, therefore they are built in a small stage that stays in the first-level cache and leave it line by
 * line.
 *
 * A line must not be stored in both ways within a short time (that costs hundreds of nanoseconds): the lines in which
 * a burst begins and ends, which are also touched by the end marker and the seal, are stored in the ordinary way.
 */
#define STREAM_LINE 64u
#define STREAM_FLUSH_BYTES 8192u
#define STREAM_FROM_BYTES 112u /* below this mean size of a record the detour costs more than it saves */

typedef uint64_t stream_block __attribute__((vector_size(64), aligned(1), may_alias));

struct stream {
    uint8_t *stage;       /* aligned to a line; its first byte stands for *line */
    uint8_t *line;        /* in the file, aligned */
    uint8_t *begin;       /* the first byte in the file that the stage holds */
    uint8_t *regular_end; /* lines below are stored in the ordinary way */
};

static inline __attribute__((always_inline)) void stream_line(uint8_t *to, const uint8_t *from)
{
#ifdef __AVX512F__
    _mm512_stream_si512((void *)to, _mm512_load_si512((const void *)from));
#elif defined(__AVX__)
    _mm256_stream_si256((void *)to, _mm256_load_si256((const void *)from));
    _mm256_stream_si256((void *)(to + 32), _mm256_load_si256((const void *)(from + 32)));
#else
    for (unsigned i = 0; i < STREAM_LINE; i += 16)
        _mm_stream_si128((void *)(to + i), _mm_load_si128((const void *)(from + i)));
#endif
}

static inline uint8_t *line_of(uint8_t *p)
{
    return (uint8_t *)((uintptr_t)p & ~(uintptr_t)(STREAM_LINE - 1));
}

/* The stage holds what the file will have from `at` on; touched_end: up to where ordinary stores have been or will be.
 */
static inline void stream_begin(struct stream *s, uint8_t *stage, uint8_t *at, uint8_t *touched_end)
{
    s->stage = stage;
    s->line = line_of(at);
    s->begin = at;
    s->regular_end = line_of(touched_end + STREAM_LINE - 1);
}

/* Where in the stage the byte of the file at `at` is. */
static inline uint8_t *stream_place(const struct stream *s, const uint8_t *at)
{
    return s->stage + (at - s->line);
}

/* Store all whole lines below `end`. */
static inline __attribute__((always_inline)) void stream_flush(struct stream *s, uint8_t *end)
{
    uint8_t *const last = line_of(end);
    uint8_t *from = s->stage;
    uint8_t *to = s->line;
    for (; to < last && to < s->regular_end; to += STREAM_LINE, from += STREAM_LINE) {
        uint32_t skip = to < s->begin ? (uint32_t)(s->begin - to) : 0;
        memcpy(to + skip, from + skip, STREAM_LINE - skip);
    }
    for (; to < last; to += STREAM_LINE, from += STREAM_LINE)
        stream_line(to, from);
    *(stream_block *)s->stage = *(const stream_block *)from;
    s->line = to;
}

/* Store everything below `end`, the part of a line at its end too. */
static inline void stream_end(struct stream *s, uint8_t *end)
{
    stream_flush(s, end);
    uint32_t skip = s->line < s->begin ? (uint32_t)(s->begin - s->line) : 0;
    uint32_t n = (uint32_t)(end - s->line);
    if (n > skip)
        memcpy(s->line + skip, s->stage + skip, n - skip);
}

#endif
