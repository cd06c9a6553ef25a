/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_SOURCE_H
#define NFVCAP_SOURCE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest piece that can be had in one stretch of memory: the longest record a reader takes. */
#define SOURCE_STRETCH_MAX ((size_t)1 << 20)

/* So many bytes after `end` may be read (and mean nothing). */
#define SOURCE_SLACK 128u

struct source_ring;
struct source_map;

/*
 * A stream of bytes seen through a window that moves forward. [next, end) is there to be used; the reader
 * moves `next`. Big reads into a few buffers, no mapping: a file that shrinks while it is read ends early
 * instead of killing the program.
 */
struct source {
    const uint8_t *next;
    const uint8_t *end;
    uint64_t end_offset; /* of `end` in the stream */
    int error;           /* errno of the read that failed; the stream ends there */
    struct source_ring *ring;
    struct source_map *map; /* not NULL: source_map.c does the work */
};

/* Reads up to `len` bytes at the current position; 0 at the end, -1 with errno set. */
typedef ssize_t (*source_read_fn)(void *arg, void *buf, size_t len);

struct source_options {
    size_t chunk_bytes;    /* size of one read; 0 means 256 KiB. Rounded up to 4 KiB, except for tests */
    bool ahead;            /* a thread of its own reads ahead, */
    const cpu_set_t *cpus; /* on these CPUs; NULL: on those of the caller */
    bool exact_chunk;      /* take chunk_bytes as it is, however small */
    uint64_t from, to;     /* to != 0: these bytes of a file, wherever its descriptor stands */
    bool map;              /* with `to`: looked at where they are, see source_map.h */
};

/* False with errno set when memory or a thread cannot be had. The file descriptor stays the caller's. */
bool source_open_fd(struct source *s, int fd, const struct source_options *options);
bool source_open_fn(struct source *s, source_read_fn read, void *arg, const struct source_options *options);
void source_close(struct source *s);

/*
 * Makes at least `want` (<= SOURCE_STRETCH_MAX) bytes of the stream contiguous at s->next and returns how
 * many are; fewer than wanted only where the stream ends. Pointers into the window are void afterwards.
 */
size_t source_more(struct source *s, size_t want);

/* Moves forward by `n` bytes, however many; false when the stream ends before. */
bool source_skip(struct source *s, uint64_t n);

static inline size_t source_left(const struct source *s)
{
    return (size_t)(s->end - s->next);
}

static inline size_t source_want(struct source *s, size_t want)
{
    size_t left = source_left(s);

    return left >= want ? left : source_more(s, want);
}

/* Offset in the stream of a place in the window. */
static inline uint64_t source_offset(const struct source *s, const uint8_t *at)
{
    return s->end_offset - (uint64_t)(s->end - at);
}

#endif
