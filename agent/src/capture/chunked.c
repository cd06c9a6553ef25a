/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine for disks and pipes: the capture thread fills chunks in memory, the storage thread writes each with one
 * call. The chunks are the burst buffer: as long as one is free, a slow disk costs nothing.
 */
#include "chunked.h"
#include "capture_file.h"

#include "../error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define WRITES_UNDER_WAY 8
#define FULL_RETRY_NS 100000000ull
#define MIN_CHUNKS 4
#define LAST_CHUNK_BYTES (2ull * BLOCK_BYTES)

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t chunk_memory_bytes(const struct storage *s)
{
    uint64_t bytes = s->config.chunk_bytes + s->config.burst_bytes + 2ull * BLOCK_BYTES;
    return (bytes + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1);
}

static void make_chunks(struct storage *s, struct chunked *k)
{
    uint64_t each = chunk_memory_bytes(s);
    uint64_t n = s->config.buffer_bytes / s->config.chunk_bytes;
    if (n >= SPSC_SLOTS)
        die(EXIT_USAGE, text("the burst buffer of %llu MiB is too large", (unsigned long long)(n * each >> 20)),
            text("it has %u chunks at most", SPSC_SLOTS - 1), "give a larger --chunk, or a smaller --burst-buffer");
    n = n < MIN_CHUNKS ? MIN_CHUNKS : n;
    s->config.buffer_bytes = n * s->config.chunk_bytes;
    if (!memory_get(&k->memory, n * each + LAST_CHUNK_BYTES, s->config.numa_node))
        die(EXIT_USAGE, text("no memory for a burst buffer of %llu MiB", (unsigned long long)(n * each >> 20)),
            errno_text(errno), "give a smaller --burst-buffer");
    k->n_chunks = (unsigned)n;
    k->chunks = calloc(n, sizeof(struct chunk));
    k->source.stack = calloc(n, sizeof(struct chunk *));
    if (k->chunks == NULL || k->source.stack == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    for (unsigned i = 0; i < n; i++) {
        k->chunks[i].data = k->memory.base + i * each;
        spsc_push(&k->empty, &k->chunks[i]);
    }
    k->last.data = k->memory.base + n * each;
}

static void chunked_open(struct storage *s, uint64_t now_ns)
{
    struct chunked *k = aligned_alloc(64, (sizeof(*k) + 63) & ~63ull);
    if (k == NULL)
        die(EXIT_INTERNAL, "out of memory", NULL, NULL);
    memset(k, 0, sizeof(*k));
    s->engine = k;
    k->direct = s->config.engine == ENGINE_DIRECT;
    make_chunks(s, k);
    chunk_source_start(s);
    if (!chunk_file_open(s, &k->file, k->source.file_number, now_ns))
        die(EXIT_USAGE, text("cannot write to %s", k->file.path),
            errno == EBUSY ? "another agent writes to it" : errno_text(errno), "choose another --write");
    k->writer = block_writer_create(s->config.io_uring && k->file.seekable && k->direct, WRITES_UNDER_WAY);
}

static void take_result(struct storage *s, struct chunked *k, const struct block_result *r)
{
    struct chunk *c = r->tag;
    chunk_file_written(s, c, r->bytes, r->error);
    spsc_push(&k->empty, c);
}

static void wait_for_all(struct storage *s, struct chunked *k)
{
    struct block_result r;
    while (block_writer_pending(k->writer) > 0) {
        if (block_writer_result(k->writer, 100000, &r))
            take_result(s, k, &r);
    }
}

/* A file broke off: nothing of it is under way any more; close it with what is whole. */
static void close_broken(struct storage *s, struct chunked *k)
{
    wait_for_all(s, k);
    chunk_file_close(s, NULL);
    s->files->config.rotates = true; /* the next file must have another name */
    k->retry_ns = clock_ns(CLOCK_MONOTONIC) + FULL_RETRY_NS;
}

static void write_chunk(struct storage *s, struct chunked *k, struct chunk *c)
{
    struct chunk_file *f = &k->file;
    if (c->begins_file && (!f->open || f->number != c->file_number)) {
        wait_for_all(s, k);
        if (f->open)
            chunk_file_close(s, NULL);
        bool open = chunk_file_open(s, f, c->file_number, clock_ns(CLOCK_REALTIME));
        if (!open && (errno == ENOSPC || errno == EDQUOT)) {
            k->retry_ns = clock_ns(CLOCK_MONOTONIC) + FULL_RETRY_NS;
            atomic_store_explicit(&k->disk, DISK_FULL, memory_order_release);
        } else if (!open) {
            storage_fail(s, f->path, "", errno);
        }
    }
    if (!f->open || f->broken || f->number != c->file_number) {
        wait_for_all(s, k);
        chunk_file_written(s, c, 0, EIO);
        spsc_push(&k->empty, c);
        return;
    }
    if (c->partial && k->direct)
        wait_for_all(s, k); /* the last block is written again by the next chunk: never both at once */
    uint64_t bytes = chunk_write_length(k, c);
    if (bytes > c->length)
        memset(c->data + c->length, 0, bytes - c->length);
    const bool ends_file = c->ends_file, partial = c->partial;
    const struct chunk last = *c;
    block_writer_submit(k->writer, f->fd, f->seekable, c->data, bytes, c->offset, c);
    if (ends_file || (partial && k->direct))
        wait_for_all(s, k);
    if (ends_file && !f->broken)
        chunk_file_close(s, &last);
}

/* Nothing can be written: look now and then whether there is room again. */
static void look_for_room(struct storage *s, struct chunked *k)
{
    if (atomic_load_explicit(&k->disk, memory_order_relaxed) != DISK_FULL ||
        atomic_load_explicit(&s->failed, memory_order_relaxed))
        return;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now < k->retry_ns)
        return;
    k->retry_ns = now + FULL_RETRY_NS;
    struct statvfs fs;
    char *copy = strdup(k->file.path);
    char *slash = strrchr(copy, '/');
    if (slash != NULL)
        slash[1] = '\0';
    if (statvfs(slash != NULL ? copy : ".", &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize >= 4ull * s->config.chunk_bytes)
        atomic_store_explicit(&k->disk, DISK_ROOM_AGAIN, memory_order_release);
    free(copy);
}

static bool chunked_service(struct storage *s)
{
    struct chunked *k = s->engine;
    struct block_result r;
    bool busy = false;
    while (block_writer_result(k->writer, 0, &r)) {
        take_result(s, k, &r);
        busy = true;
    }
    if (k->file.open && k->file.broken)
        close_broken(s, k);
    look_for_room(s, k);
    struct chunk *c = block_writer_full(k->writer) ? NULL : spsc_pop(&k->full);
    if (c != NULL) {
        write_chunk(s, k, c);
        return true;
    }
    if (block_writer_pending(k->writer) > 0 && block_writer_result(k->writer, 1000, &r)) {
        take_result(s, k, &r);
        busy = true;
    }
    return busy || block_writer_pending(k->writer) > 0;
}

static bool chunked_close(struct storage *s)
{
    struct chunked *k = s->engine;
    for (struct chunk *c; (c = spsc_pop(&k->full)) != NULL;) {
        if (block_writer_full(k->writer))
            wait_for_all(s, k);
        write_chunk(s, k, c);
        if (k->file.open && k->file.broken)
            close_broken(s, k);
    }
    wait_for_all(s, k);
    if (k->file.open)
        chunk_file_close(s, NULL);
    return true;
}

static void chunked_destroy(struct storage *s)
{
    struct chunked *k = s->engine;
    block_writer_destroy(k->writer);
    memory_release(&k->memory);
    free(k->source.stack);
    free(k->chunks);
    free(k);
    s->engine = NULL;
}

const struct engine_ops engine_chunked = {
    .name = "chunked",
    .open = chunked_open,
    .advance = chunk_source_advance,
    .rotate = chunk_source_rotate,
    .flush = chunk_source_flush,
    .end = chunk_source_end,
    .service = chunked_service,
    .close = chunked_close,
    .destroy = chunked_destroy,
};
